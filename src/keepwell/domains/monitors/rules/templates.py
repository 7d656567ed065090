"""Texts with `{{name}}` in them, where a secret or a value carried from an earlier step is put in."""

import re
from collections.abc import Iterator, Mapping

from keepwell.domains.monitors.models import Http

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}")
_UNFIT = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with what is known put in; what is not stays as it is."""
    return _PLACE.sub(lambda match: values.get(match[1], match[0]), text)


def wanted(text: str) -> Iterator[str]:
    """The names that a text asks for."""
    return (match[1] for match in _PLACE.finditer(text))


def filled_headers(headers: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Header values with what is known put in, but for characters that would end a value: a target may have said them."""
    return {name: _UNFIT.sub("", filled(value, values)) for name, value in headers.items()}


def filled_request(http: Http, values: Mapping[str, str]) -> Http:
    """A request with what is known put into its header values and its body."""
    headers = filled_headers(http.headers, values)
    body = None if http.body is None else filled(http.body, values)
    return Http(http.method, headers, body, http.follow_redirects, http.verify)


def texts(http: Http) -> Iterator[str]:
    """All of a request that may ask for names."""
    yield from http.headers.values()
    if http.body is not None:
        yield http.body
