"""What this program is, to the byte: for what must not be shared between releases that differ; and how it treats its memory."""

import gc
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_COLLECTED_AFTER = (20_000, 25, 100)


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """16 hexadecimal digits over all of the package's Python files. Equal wherever the same release runs."""
    digest = sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        text = path.read_bytes()
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()} {len(text)}\n".encode())
        digest.update(text)
    return digest.hexdigest()[:16]


def settle() -> None:
    """Lets the garbage collector look seldom, and never at what is there from the start. To be called once that is there.

    A full look at thousands of open connections takes a tenth of a second, in which nobody is served, and running a batch a
    third of the time went into looking; little of what we make has cycles, so there is little to find.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)
