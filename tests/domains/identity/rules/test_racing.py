"""A thousand refreshes of one session from twenty tabs, in any order, with replies lost on the way: against the real decider.

Tabs share one stored pair of tokens, as those of a browser do. A tab asks when the pair it sees is about to expire; the call
takes its time to arrive, and its answer takes its time or never comes. Who hears nothing asks again with what is stored then.
"""

import heapq
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from keepwell.domains.identity.models import SessionEnded, SessionLimits
from tests.domains.identity.rules.test_sessions import Played

TABS = 20
CALLS = 1000
LIMITS = SessionLimits(absolute=30 * 86_400, idle=3600, grace=60)
FRESH_SECONDS = 570.0
"""How long an access token lives at least: nobody asks for another one before."""


SEEDS = st.integers(0, 2**32 - 1)
"""Of the chances of one interleaving: which tab looks when, how long each way takes, what is lost."""


class Browser:
    """Twenty tabs at one session. `slowest` is the longest way of a call or of its answer, in seconds."""

    def __init__(self, seed: int, lost: float, slowest: float) -> None:
        self.played = Played(LIMITS)
        self.calls = 0
        self._random = Random(seed)  # noqa: S311 - chances that can be had again
        self._lost = lost
        self._slowest = slowest
        self._stored, self._stale_from = 0, FRESH_SECONDS
        self._heard_from = 0.0
        self._now = 0.0
        self._queue: list[tuple[float, int, str, int, int]] = []
        for tab in range(TABS):
            self._put(self._random.uniform(0, FRESH_SECONDS), "looks", tab, 0)

    def browse(self) -> None:
        """Until a thousand calls were answered, or one was refused."""
        while self.calls < CALLS:
            at, _, what, tab, token = heapq.heappop(self._queue)
            self.played.wait(at - self._now)
            self._now = at
            getattr(self, f"_{what}")(tab, token)

    def _put(self, after: float, what: str, tab: int, token: int) -> None:
        heapq.heappush(self._queue, (self._now + after, self._random.getrandbits(30), what, tab, token))

    def _looks(self, tab: int, _: int) -> None:
        """A tab has something to ask the server: with a pair that is stale it has to refresh first."""
        if self._now < self._stale_from:
            self._put(self._stale_from - self._now + self._random.uniform(0, 1), "looks", tab, 0)
        else:
            self._put(self._random.uniform(0, self._slowest), "arrives", tab, self._stored)

    def _arrives(self, tab: int, token: int) -> None:
        self.calls += 1
        answered = self.played.refresh(token)
        assert answered is not None, self.played.events[-1]
        assert answered == token + 1, "all who ask with one token get the same next one"
        # After half of the window no more replies are lost: who never hears anything for all of it logs in again.
        late = self._now - self._heard_from > FRESH_SECONDS + LIMITS.grace / 2
        if late or self._random.random() >= self._lost:
            self._put(self._random.uniform(0, self._slowest), "hears", tab, answered)
        else:
            self._put(self._slowest, "looks", tab, 0)

    def _hears(self, tab: int, token: int) -> None:
        if token > self._stored:
            self._stored, self._stale_from, self._heard_from = token, self._now + FRESH_SECONDS, self._now
        self._put(0, "looks", tab, 0)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.floats(0, 0.95), st.floats(0.001, LIMITS.grace / 8))
def test_no_honest_session_ends_whatever_the_interleaving(seed: int, lost: float, slowest: float):
    browser = Browser(seed, lost, slowest)
    browser.browse()
    assert not browser.played.ended
    assert browser.played.current.generation >= CALLS / 300


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.floats(0, 0.95), st.data())
def test_a_copy_of_any_token_older_than_the_one_before_gives_itself_away(seed: int, lost: float, data: st.DataObject):
    browser = Browser(seed, lost, LIMITS.grace / 8)
    browser.browse()
    current = browser.played.current.generation
    old = data.draw(st.integers(0, max(0, current - 2)))
    if current - old < 2:
        return
    assert browser.played.refresh(old) is None
    last = browser.played.events[-1]
    assert isinstance(last, SessionEnded)
    assert (last.reason, last.presented) == ("refresh-token-reused", old)
    assert browser.played.refresh(current) is None
