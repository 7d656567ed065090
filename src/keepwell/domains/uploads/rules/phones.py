"""Phone numbers in their one form, E.164 (ITU-T), wherever the country is known. Pure."""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneMetadata

_MOST = 100
_PLAIN = re.compile(r"\+([1-9][0-9]{7,14})")
_LONGEST_CODE = 3
_ELSEWHERE = "001"
"""What the library calls the region of numbers that belong to no country."""


def is_region(text: str) -> bool:
    """Whether these are the two letters of a country, such as `DE`."""
    return text in phonenumbers.SUPPORTED_REGIONS


def normal_phone(text: str, region: str | None) -> str | None:
    """The normal form of a number; None for what is none. Without a country, in a program without one, it is kept as written."""
    if _is_normal(text):
        return text
    if region is None and not text.startswith(("+", "\uff0b")):
        text = " ".join(text.split())
        return text if len(text) <= _MOST and text.isprintable() else None
    return parsed(text, region)


def parsed(text: str, region: str | None) -> str | None:
    """What the library makes of a number, in E.164; None where it finds none that is possible."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _is_normal(text: str) -> bool:
    """Whether a number is sure to be parsed to itself, which is told ten times as fast. Most numbers in files are so."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return False
    digits = found[1]
    for length in range(1, _LONGEST_CODE + 1):
        plan = _plan(digits[:length])
        if plan is not None:
            lengths, trunk = plan
            national = digits[length:]
            return len(national) in lengths and (trunk is None or trunk.match(national) is None)
    return False


@lru_cache(maxsize=2_048)
def _plan(code: str) -> tuple[frozenset[int], re.Pattern[str] | None] | None:
    """Of a country's code: how long its numbers are, and what those begin with that are dialled within it; None for no code."""
    region = phonenumbers.region_code_for_country_code(int(code))
    metadata = None if region == _ELSEWHERE else PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:
        return None
    prefix = metadata.national_prefix_for_parsing
    lengths = metadata.general_desc.possible_length
    return frozenset(lengths), None if prefix is None else re.compile(prefix)
