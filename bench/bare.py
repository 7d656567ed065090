"""A bare handler to compare with: Starlette and one SELECT; no tenant, permission, decryption or record.

Run as `python -m bench.bare <socket descriptor> <database URL>`; the parent listens, so that two processes share one address.
"""

import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TABLE = "bare_response"
SCHEMA = f"""
CREATE TABLE {TABLE} (id uuid PRIMARY KEY, version integer NOT NULL, body text NOT NULL);
GRANT SELECT ON {TABLE} TO keepwell_app;
"""
_SELECT = f"SELECT version, body FROM {TABLE} WHERE id = $1"


def application(url: str) -> Starlette:
    """The application. Its pool is as large as the product's and skips asyncpg's reset, which would be one more round trip."""

    @asynccontextmanager
    async def pooled(app: Starlette) -> AsyncGenerator[None]:
        async def keep(_connection: Any) -> None:
            pass

        pool: Any = asyncpg.create_pool(url, min_size=8, max_size=8, reset=keep)  # pyright: ignore[reportUnknownMemberType]
        async with pool:
            app.state.pool = pool
            yield

    async def get(request: Request) -> Response:
        row = await request.app.state.pool.fetchrow(_SELECT, UUID(request.path_params["id"]))
        if row is None:
            return Response(status_code=404)
        return Response(row["body"], media_type="application/json", headers={"etag": f'"{row["version"]}"'})

    return Starlette(routes=[Route("/bare/{id}", get)], lifespan=pooled)


def main() -> None:
    """Serves on an inherited, listening socket until it is told to stop."""
    config = uvicorn.Config(application(sys.argv[2]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
