"""Lists that are handed out in parts: together the parts are the list, whatever their size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.kernel import Refused
from keepwell.kernel.http import part_of
from keepwell.kit.ids import new_id, parse_id


@given(st.integers(0, 12), st.integers(1, 5))
def test_the_parts_are_the_list(count: int, limit: int):
    items = [new_id() for _ in range(count)]
    found, cursor = part_of(items, lambda id_: id_, limit, None)
    while cursor is not None:
        more, cursor = part_of(items, lambda id_: id_, limit, parse_id(cursor))
        assert more
        found += more
    assert found == items


def test_a_cursor_that_is_not_there_is_refused():
    with pytest.raises(Refused) as refused:
        part_of([new_id()], lambda id_: id_, 1, new_id())
    assert refused.value.refusal.code == "invalid-parameter"
