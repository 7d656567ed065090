"""An OpenID Connect provider that says of people whatever a test tells it to."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.support.http_server import serving

CLIENT, SECRET = "keepwell", "a secret of the tests"


class PlainProvider:
    """`claims` is what the next ID token says."""

    def __init__(self) -> None:
        self.issuer = ""
        self.claims: dict[str, Any] = {}
        self._key = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/keys", self._keys),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _discovery(self, _: Request) -> JSONResponse:
        places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return JSONResponse({"issuer": self.issuer, **{name: self.issuer + path for name, path in places.items()}})

    async def _keys(self, _: Request) -> JSONResponse:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    async def _token(self, _: Request) -> JSONResponse:
        return JSONResponse({"id_token": jwt.encode({"alg": "ES256", "kid": "one"}, self.claims, self._key)})


@asynccontextmanager
async def plain_provider() -> AsyncGenerator[PlainProvider]:
    """One that answers, on a port of its own."""
    provider = PlainProvider()
    async with serving(provider.app) as base:
        provider.issuer = base
        yield provider
