"""A temporary file that only this process can read: without a name, and encrypted under a key that is never stored."""

import io
import secrets
import tempfile
from types import TracebackType

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

_UNIT = 16


class SealedFile(io.RawIOBase):
    """Written once from its beginning, then read anywhere. AES-256 in counter mode: a place in the file is a count of blocks."""

    def __init__(self) -> None:
        super().__init__()
        self._file = tempfile.TemporaryFile(prefix="keepwell-")  # noqa: SIM115 - closed with this
        self._key = AES256(secrets.token_bytes(32))
        self._writer = Cipher(self._key, CTR(bytes(_UNIT))).encryptor()
        self._at = 0
        self.size = 0

    def append(self, piece: bytes) -> None:
        """Adds to what is written."""
        self._file.write(self._writer.update(piece))
        self.size += len(piece)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        unit, over = divmod(self._at, _UNIT)
        self._file.seek(unit * _UNIT)
        sealed = self._file.read(over + len(buffer))
        opened = Cipher(self._key, CTR(unit.to_bytes(_UNIT, "big"))).decryptor().update(sealed)[over:]
        buffer[: len(opened)] = opened
        self._at += len(opened)
        return len(opened)

    def close(self) -> None:
        self._file.close()
        super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
