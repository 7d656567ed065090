"""Changing keys, and destroying a clinic's: what operators do; the keys themselves are the kernel's."""

from keepwell.domains.crypto.service import CryptoService

__all__ = ["CryptoService"]
