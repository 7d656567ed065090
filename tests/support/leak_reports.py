"""A stand-in for who reports leaked keys: signs reports like GitHub's secret scanning, and publishes its keys, well or badly."""

import json
import threading
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, SECP384R1, EllipticCurve, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Signer:
    """One key pair of a reporter."""

    def __init__(self, name: str, curve: EllipticCurve | None = None) -> None:
        self.name = name
        self._key = generate_private_key(curve or SECP256R1())

    def published(self) -> dict[str, Any]:
        pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {"key_identifier": self.name, "key": pem.decode(), "is_current": True}

    def headers(self, content: bytes) -> dict[str, str]:
        signature = b64encode(self._key.sign(content, ECDSA(SHA256()))).decode()
        return {
            "content-type": "application/json",
            "github-public-key-identifier": self.name,
            "github-public-key-signature": signature,
        }


class Publisher:
    """Publishes keys at `url`. `manner` is how it answers: well, or in a way that must do no harm."""

    def __init__(self, *signers: Signer) -> None:
        self.signers = list(signers)
        self.manner = "well"
        self.asked = 0
        self.url = ""

    def body(self) -> bytes:
        if self.manner == "garbage":
            return b"<html>"
        return json.dumps({"public_keys": [signer.published() for signer in self.signers]}).encode()

    @contextmanager
    def serving(self) -> Generator["Publisher"]:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                publisher.answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}/keys"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.manner == "elsewhere":
            handler.send_response(302)
            handler.send_header("location", self.url.replace("/keys", "/more"))
            handler.send_header("content-length", "0")
            handler.end_headers()
            return
        if self.manner == "broken":
            handler.send_response(500)
            handler.send_header("content-length", "0")
            handler.end_headers()
            return
        body = self.body()
        size = 10_000_000 if self.manner == "endless" else len(body)
        handler.send_response(200)
        handler.send_header("content-length", str(size))
        handler.end_headers()
        try:
            if self.manner == "endless":
                for _ in range(size // 10_000):
                    handler.wfile.write(b" " * 10_000)
            elif self.manner == "dripping":
                for byte in body:
                    handler.wfile.write(bytes((byte,)))
                    sleep(0.02)
            else:
                handler.wfile.write(body)
        except OSError:
            return


OTHER_CURVE = SECP384R1()
