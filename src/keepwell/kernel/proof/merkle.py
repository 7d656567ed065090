"""The Merkle tree hash of RFC 9162 (2.1.1), grown leaf by leaf.

A tree of n leaves is remembered by its frontier: the roots of the perfect subtrees it falls into, largest first, one for
each bit set in n. Appending needs nothing else, so a root over n + k leaves costs the k new ones.
"""

from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one leaf; its prefix keeps a leaf from passing for a node."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over its two children."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """An append-only tree, known by its size and frontier. Memory: 32 bytes for each bit of its size."""

    __slots__ = ("_frontier", "_size")

    def __init__(self, size: int = 0, frontier: Sequence[bytes] = ()) -> None:
        if size < 0 or len(frontier) != size.bit_count() or any(len(node) != 32 for node in frontier):
            raise ValueError(f"a tree of {size} leaves has another frontier")
        self._size = size
        self._frontier = list(frontier)

    @property
    def size(self) -> int:
        return self._size

    @property
    def frontier(self) -> tuple[bytes, ...]:
        return tuple(self._frontier)

    def append(self, leaf: bytes) -> None:
        """Puts one more leaf at the end."""
        node = leaf_hash(leaf)
        size = self._size
        while size & 1:
            node = node_hash(self._frontier.pop(), node)
            size >>= 1
        self._frontier.append(node)
        self._size += 1

    def root(self) -> bytes:
        """The Merkle tree hash over all leaves so far."""
        if not self._frontier:
            return EMPTY_ROOT
        root = self._frontier[-1]
        for node in reversed(self._frontier[:-1]):
            root = node_hash(node, root)
        return root
