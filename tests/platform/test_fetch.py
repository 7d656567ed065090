"""Getting a small document from an address that may behave in any way."""

from time import monotonic

import pytest

from keepwell.platform.fetch import FetchError, fetch
from tests.support.leak_reports import Publisher, Signer


async def test_a_document_is_had_whole():
    with Publisher(Signer("one")).serving() as publisher:
        assert await fetch(publisher.url) == publisher.body()


@pytest.mark.parametrize("manner", ["elsewhere", "broken", "endless", "dripping"])
async def test_what_is_slow_large_or_elsewhere_is_not_waited_for(manner: str):
    with Publisher(Signer("one")).serving() as publisher:
        publisher.manner = manner
        began = monotonic()
        with pytest.raises(FetchError):
            await fetch(publisher.url, seconds=0.5, most=100_000)
        assert monotonic() - began < 5
        assert publisher.asked == 1


async def test_nobody_there_is_an_error_of_the_same_kind():
    with Publisher().serving() as publisher:
        gone = publisher.url
    for address in (gone, "http://"):
        with pytest.raises(FetchError):
            await fetch(address, seconds=1)
