"""Rooms to compare with: Starlette, and every message of one sent on to all of its room. No versions, rules or encryption.

Without a database nothing is stored: what a framework's broadcast can do at best. With one, a message is stored, and a row for
each who will read it, before it is sent on, each in a commit of its own: what anybody pays who must not lose an edit, nor show
one unrecorded.

Run as `python -m bench.bare_rooms <socket descriptor> [<database URL>]`.
"""

import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

SCHEMA = """
CREATE TABLE bare_edit (id uuid NOT NULL, at timestamptz NOT NULL DEFAULT now(), body text NOT NULL);
CREATE TABLE bare_reader (id uuid NOT NULL, reader uuid NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON bare_edit (id, at);
CREATE INDEX ON bare_reader (id, at);
GRANT SELECT, INSERT ON bare_edit, bare_reader TO keepwell_app;
"""
_EDIT = "INSERT INTO bare_edit (id, body) VALUES ($1, $2)"
_READERS = "INSERT INTO bare_reader (id, reader) SELECT $1, unnest($2::uuid[])"
_POOL = 8
_rooms: dict[UUID, dict[WebSocket, UUID]] = {}


async def _room(websocket: WebSocket) -> None:
    await websocket.accept()
    id_ = UUID(websocket.path_params["id"])
    members = _rooms.setdefault(id_, {})
    members[websocket] = uuid4()
    pool: Any = websocket.app.state.pool
    try:
        while True:
            text = await websocket.receive_text()
            if pool is not None:
                await pool.execute(_EDIT, id_, text)
                await pool.execute(_READERS, id_, list(members.values()))
            for member in members:
                await member.send_text(text)
    except WebSocketDisconnect:
        del members[websocket]


def application(url: str | None) -> Starlette:
    """The one route, with a pool as large as the product's where it stores."""

    @asynccontextmanager
    async def pooled(app: Starlette) -> AsyncGenerator[None]:
        app.state.pool = None
        if url is None:
            yield
            return
        pool: Any = asyncpg.create_pool(url, min_size=1, max_size=_POOL)  # pyright: ignore[reportUnknownMemberType]
        async with pool:
            app.state.pool = pool
            yield

    return Starlette(routes=[WebSocketRoute("/v1/responses/{id}/room", _room)], lifespan=pooled)


def main() -> None:
    """Serves on an inherited, listening socket until it is told to stop."""
    config = uvicorn.Config(
        application(sys.argv[2] if len(sys.argv) > 2 else None),
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
