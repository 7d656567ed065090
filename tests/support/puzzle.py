"""Solving puzzles of the login, as a client does."""

from typing import Any

import altcha as _altcha

altcha: Any = _altcha


def solve(challenge: dict[str, Any]) -> str:
    """The solution of a challenge as the server tells it, as a client sends it."""
    read = altcha.Challenge.from_dict(challenge)
    return altcha.Payload(read, altcha.solve_challenge(read)).to_base64()
