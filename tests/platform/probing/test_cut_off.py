"""A machine that lost its network: the prober says that nothing is to be concluded, and what failed."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_APART = ("unshare", "--map-root-user", "--net")


def _may_be_apart() -> bool:
    try:
        return subprocess.run([*_APART, "true"], check=False, capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


def test_without_a_network_nothing_is_concluded():
    if not _may_be_apart():
        pytest.skip("network namespaces are not permitted here; test_prober.py asks canaries that nobody answers for")
    command = [*_APART, sys.executable, "-m", "tests.support.cut_off"]
    said = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True, timeout=120).stdout.split()
    *errors, egress = said
    assert errors == ["unreachable", "unreachable", "unreachable", "dns-failed"]
    assert egress == "False"
