"""Bare handlers to compare with: Starlette and one SELECT; no tenant, permission, decryption or record.

`/bare/{id}` is what one writes first: a pool as asyncpg makes it, a row of columns, a JSON answer. `/stripped/{id}` leaves out
all that can be left out: no reset of connections (one round trip less), and the row holds the answer's bytes.

Run as `python -m bench.bare <socket descriptor> <database URL>`; the parent listens, so that two processes share one address.
"""

import json
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
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TABLE = "bare_response"
SCHEMA = f"""
CREATE TABLE {TABLE} (id uuid PRIMARY KEY, questionnaire uuid NOT NULL, status text NOT NULL, version integer NOT NULL,
                      created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, answers jsonb NOT NULL,
                      body text NOT NULL);
GRANT SELECT ON {TABLE} TO keepwell_app;
"""
INSERT = f"INSERT INTO {TABLE} VALUES ($1, $1, 'in-progress', $2, now(), now(), $3::text::jsonb, $4)"
_COLUMNS = f"SELECT id, questionnaire, status, version, created_at, updated_at, answers FROM {TABLE} WHERE id = $1"
_BODY = f"SELECT version, body FROM {TABLE} WHERE id = $1"
_POOL = 8


async def _keep(_connection: Any) -> None:
    """Leaves a connection as it is."""


async def _bare(request: Request) -> Response:
    async with request.app.state.pool.acquire() as connection:
        row = await connection.fetchrow(_COLUMNS, UUID(request.path_params["id"]))
    if row is None:
        return Response(status_code=404)
    document = {
        "id": str(row["id"]),
        "questionnaire": str(row["questionnaire"]),
        "status": row["status"],
        "version": row["version"],
        "created_at": row["created_at"].isoformat(),
        "updated_at": row["updated_at"].isoformat(),
        "answers": json.loads(row["answers"]),
    }
    return JSONResponse(document, headers={"etag": f'"{row["version"]}"'})


async def _stripped(request: Request) -> Response:
    row = await request.app.state.stripped.fetchrow(_BODY, UUID(request.path_params["id"]))
    if row is None:
        return Response(status_code=404)
    return Response(row["body"], media_type="application/json", headers={"etag": f'"{row["version"]}"'})


def application(url: str) -> Starlette:
    """Both handlers, each with a pool as large as the product's."""

    @asynccontextmanager
    async def pooled(app: Starlette) -> AsyncGenerator[None]:
        usual: Any = asyncpg.create_pool(url, min_size=1, max_size=_POOL)  # pyright: ignore[reportUnknownMemberType]
        stripped: Any = asyncpg.create_pool(url, min_size=1, max_size=_POOL, reset=_keep)  # pyright: ignore[reportUnknownMemberType]
        async with usual, stripped:
            app.state.pool, app.state.stripped = usual, stripped
            yield

    return Starlette(routes=[Route("/bare/{id}", _bare), Route("/stripped/{id}", _stripped)], lifespan=pooled)


def main() -> None:
    """Serves on an inherited, listening socket until it is told to stop."""
    config = uvicorn.Config(application(sys.argv[2]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
