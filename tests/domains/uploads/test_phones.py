"""A number that is sure to be in its one form is told without the library, and always as the library would have."""

import phonenumbers
from hypothesis import example, given
from hypothesis import strategies as st

from keepwell.domains.uploads.rules.phones import normal_phone, parsed

CODES = tuple(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


@given(st.sampled_from(CODES), st.text("0123456789", min_size=1, max_size=14), st.sampled_from([None, "DE", "US"]))
@example(44, "02079460000", None)
@example(39, "0236618300", None)
@example(54, "91123456789", None)
def test_a_plain_number_has_the_form_that_the_library_gives_it(code: int, digits: str, region: str | None):
    text = f"+{code}{digits}"
    assert normal_phone(text, region) == parsed(text, region)
