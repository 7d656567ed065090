"""File locks that the kernel of the operating system gives back when their holder dies, however it dies (flock(2)).

A lock belongs to the open file: closing it is the only way used here to release it, so that a child process that
inherited the file by fork keeps the lock alive instead of losing it.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class FileLock:
    """A held lock. Closing it, or the death of the process, releases it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def same_file(self, path: Path) -> bool:
        """Whether `path` still names the locked file: false once somebody removed or replaced it."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), path.stat())
        except FileNotFoundError:
            return False

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def try_exclusive(path: Path) -> FileLock | None:
    """The lock if nobody else holds it in any way, else None at once."""
    return _try(path, fcntl.LOCK_EX)


def try_shared(path: Path) -> FileLock | None:
    """The lock if nobody else holds it exclusively, else None at once."""
    return _try(path, fcntl.LOCK_SH)


def is_held_exclusively(path: Path) -> bool:
    """Whether some process holds the lock exclusively at this moment."""
    lock = try_shared(path)
    if lock is None:
        return True
    lock.close()
    return False


def _try(path: Path, kind: int) -> FileLock | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return FileLock(descriptor)
