"""A machine that lost its network: the prober says that nothing is to be concluded, and what failed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cut_off import APART, may_be_apart

_ROOT = Path(__file__).parents[3]


def test_without_a_network_nothing_is_concluded():
    if not may_be_apart():
        pytest.skip("network namespaces are not permitted here; test_prober.py asks canaries that nobody answers for")
    command = [*APART, sys.executable, "-m", "tests.support.cut_off"]
    said = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True, timeout=120).stdout.split()
    *errors, egress, running, down = said
    assert errors == ["no-route"] * 4
    assert egress == "False"
    assert (running, down) == ("refused", "no-route")
