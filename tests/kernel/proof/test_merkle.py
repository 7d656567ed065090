"""The incremental tree against the recursive definition of RFC 9162, section 2.1.1."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.kernel.proof.merkle import EMPTY_ROOT, Tree

LEAVES = st.lists(st.binary(max_size=40), max_size=70)


def defined_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def grown(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


@given(LEAVES)
def test_root_is_the_one_the_rfc_defines(leaves: list[bytes]):
    tree = grown(leaves)
    assert tree.root() == defined_root(leaves)
    assert tree.size == len(leaves)
    assert len(tree.frontier) == len(leaves).bit_count()


@given(LEAVES, LEAVES)
def test_growing_from_a_stored_frontier_equals_growing_from_nothing(old: list[bytes], new: list[bytes]):
    before = grown(old)
    resumed = Tree(before.size, before.frontier)
    for leaf in new:
        resumed.append(leaf)
    assert resumed.root() == defined_root(old + new)
    assert resumed.frontier == grown(old + new).frontier


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_every_change_of_one_leaf_changes_the_root(leaves: list[bytes], data: st.DataObject):
    place = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.binary(max_size=8).filter(lambda leaf: leaf != leaves[place]))
    changed = [*leaves[:place], other, *leaves[place + 1 :]]
    assert grown(changed).root() != grown(leaves).root()


def test_known_answers_of_the_certificate_transparency_test_vectors():
    # The leaves and roots used by the reference implementations of RFC 6962.
    leaves = [bytes.fromhex(leaf) for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
    leaves.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert grown(leaves[:1]).root().hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert grown(leaves[:2]).root().hex() == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert grown(leaves).root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize(("size", "frontier"), [(-1, []), (1, []), (2, [bytes(32), bytes(32)]), (1, [bytes(31)])])
def test_a_frontier_of_another_size_is_refused(size: int, frontier: list[bytes]):
    with pytest.raises(ValueError, match="frontier"):
        Tree(size, frontier)
