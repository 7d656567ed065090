"""What refuses every request, and does nothing else: the least that a flood can cost a machine.

Run as `python -m bench.refusing <socket descriptor>`.
"""

import socket
import sys

import uvicorn
from starlette.types import Receive, Scope, Send

_HEADERS = [(b"content-type", b"application/problem+json"), (b"retry-after", b"1"), (b"content-length", b"2")]


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """429, whatever was asked, once all of it is there."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 429, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": b"{}"})


def main() -> None:
    """Serves on an inherited, listening socket until it is told to stop."""
    config = uvicorn.Config(refuse, loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
