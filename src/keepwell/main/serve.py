"""The process kinds: `serve` (everything in one), `api`, `worker`, `scheduler`, `notifier`."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from keepwell.main import capacity, demo, fitness
from keepwell.main.addresses import Addresses, Servers
from keepwell.main.app import application, watched
from keepwell.main.children import READY_LINE, Child, parent_gone
from keepwell.main.exposition import Exposition
from keepwell.main.parts import Parts
from keepwell.main.periodic import Duty, kept, notify, schedule, work
from keepwell.main.server import listeners, server, stopping_on_signals
from keepwell.platform import telemetry
from keepwell.platform.program import settle
from keepwell.platform.settings import ProcessKind, Settings

_CHILD_START_SECONDS = 60.0
_MARGIN_SECONDS = 5.0
_INTROSPECTION = "KEEPWELL_GRAPHQL_INTROSPECTION"
"""What `--demo` may have changed: the children read their settings by themselves."""


def serve(settings: Settings, host: str, port: int, workers: int, *, with_demo: bool) -> None:
    """Everything: servers, schema, demo data, `workers` API processes, periodic work. Returns when told to stop.

    Raises:
        AddressInUseError: the port cannot be had.
        EmbeddedStartError, MigrationError, DemoRefusedError: what is missing could not be made.
        InvalidSettingsError: the settings cannot be used, or the master key is not that of the database.
        UnsafeRoleError: requests would run as a role that row-level security does not hold for.
    """
    from keepwell.platform import migrations  # noqa: PLC0415 - brings in Alembic, which is large and no other process needs

    telemetry.configure(settings.log_level, process="serve")
    if with_demo:
        settings = demo.adapted(settings)
    sockets = listeners(host, port, workers)
    with Servers.attach(settings) as servers:
        migrations.upgrade(servers.addresses.owner, attempts=settings.migration_attempts)
        capacity.check(settings, servers.addresses.owner, {ProcessKind.API: workers})
        run(fitness.check(Parts(settings, servers.addresses, ProcessKind.CLI)))
        if with_demo:
            run(demo.prepare(settings, servers.addresses))
        with tempfile.TemporaryDirectory(prefix="keepwell-", ignore_cleanup_errors=True) as folder:
            run(_serve(settings, servers.addresses, sockets, Path(folder), demo.LOGINS if with_demo else ""))


def api(settings: Settings, listener: socket.socket, *, name: str, siblings: Path | None, child: bool) -> None:
    """One API process on a bound socket. A `child` ends with its parent and says `ready` on its standard output.

    Raises:
        UnsafeRoleError: requests would run as a role that row-level security does not hold for.
        InvalidSettingsError: the settings cannot be used, ask for more connections than the database allows, or name a
            master key that is not that of the database.
    """
    telemetry.configure(settings.log_level, process=f"api-{name}")
    with Servers.attach(settings) as servers:
        if not child:  # the parent has looked
            capacity.check(settings, servers.addresses.app, {ProcessKind.API: 1})
            run(fitness.check(Parts(settings, servers.addresses, ProcessKind.API)))
        run(_api(settings, servers.addresses, listener, Exposition(siblings, name), child=child))
    if siblings is not None:  # a parent that was killed leaves it behind
        shutil.rmtree(siblings, ignore_errors=True)


def worker(settings: Settings, listener: socket.socket | None) -> None:
    """One worker process: the periodic work, until told to stop. With a `listener`, health and metrics are served on it.

    Raises:
        UnsafeRoleError: it would work as a role that row-level security does not hold for.
        InvalidSettingsError: as for `api`.
    """
    _apart(settings, ProcessKind.WORKER, work, listener)


def scheduler(settings: Settings, listener: socket.socket | None) -> None:
    """One scheduler process: puts checks of monitors before the workers, until told to stop. Otherwise as `worker`.

    Raises:
        UnsafeRoleError, InvalidSettingsError: as for `worker`.
    """
    _apart(settings, ProcessKind.SCHEDULER, schedule, listener)


def notifier(settings: Settings, listener: socket.socket | None) -> None:
    """One notifier process: tells people what happens to incidents, until told to stop. Otherwise as `worker`.

    Raises:
        UnsafeRoleError, InvalidSettingsError: as for `worker`.
    """
    _apart(settings, ProcessKind.NOTIFIER, notify, listener)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs a process's main coroutine on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def _serve(settings: Settings, addresses: Addresses, sockets: list[socket.socket], folder: Path, hint: str) -> None:
    parts = Parts(settings, addresses, ProcessKind.API)
    ready = asyncio.Event()
    exposition = Exposition(folder if len(sockets) > 1 else None)
    http = server(application(parts, exposition), settings, ready.set, parts.leave)
    children = [
        Child(
            str(number),
            each.fileno(),
            folder,
            partial(http.stand_in, each),
            {_INTROSPECTION: str(settings.graphql_introspection)},
        )
        for number, each in enumerate(sockets[1:], start=1)
    ]

    def stop() -> None:
        http.stop()
        for child in children:
            child.let_go()

    with stopping_on_signals(stop):
        async with _beside(
            *(child.run() for child in children),
            _after(ready, work, parts),
            _after(ready, schedule, parts),
            _after(ready, notify, parts),
            _announce(sockets[0], ready, children, hint),
        ):
            try:
                await http.serve(sockets=[sockets[0]])
            finally:
                await asyncio.gather(*(child.stop(settings.shutdown_grace_s + _MARGIN_SECONDS) for child in children))


async def _api(settings: Settings, addresses: Addresses, listener: socket.socket, exposition: Exposition, *, child: bool) -> None:
    def ready() -> None:
        sys.stdout.write(READY_LINE.decode() if child else f"Keepwell's API is ready at {_url(listener)}\n")
        sys.stdout.flush()
        if child:  # nobody reads on: what is written from now on would fill the pipe and stop us
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    parts = Parts(settings, addresses, ProcessKind.API)
    http = server(application(parts, exposition), settings, ready, parts.leave)

    async def leave_with_parent() -> None:
        await parent_gone()
        http.stop()

    with stopping_on_signals(http.stop, ignore_interrupt=child):
        async with _beside(*([leave_with_parent()] if child else [])):
            await http.serve(sockets=[listener])


def _apart(settings: Settings, kind: ProcessKind, duty: Duty, listener: socket.socket | None) -> None:
    telemetry.configure(settings.log_level, process=kind)
    with Servers.attach(settings) as servers:
        capacity.check(settings, servers.addresses.app, {kind: 1})
        run(fitness.check(Parts(settings, servers.addresses, kind)))
        parts = Parts(settings, servers.addresses, kind)
        run(_unwatched(parts, duty) if listener is None else _watched(parts, duty, listener))


async def _unwatched(parts: Parts, duty: Duty) -> None:
    stop = asyncio.Event()
    with stopping_on_signals(stop.set):
        async with parts.running(), _beside(kept(duty, parts)):
            settle()
            sys.stdout.write(f"Keepwell's {parts.kind} is ready.\n")
            sys.stdout.flush()
            await stop.wait()


async def _watched(parts: Parts, duty: Duty, listener: socket.socket) -> None:
    ready = asyncio.Event()

    def said() -> None:
        sys.stdout.write(f"Keepwell's {parts.kind} is ready; its health and metrics are at {_url(listener)}\n")
        sys.stdout.flush()
        ready.set()

    http = server(watched(parts), parts.settings, said)
    with stopping_on_signals(http.stop):
        async with _beside(_after(ready, duty, parts)):
            await http.serve(sockets=[listener])


async def _after(ready: asyncio.Event, duty: Duty, parts: Parts) -> None:
    await ready.wait()
    await kept(duty, parts)


async def _announce(listener: socket.socket, ready: asyncio.Event, children: list[Child], hint: str) -> None:
    """Says where the server is once every process serves; after a minute without one of them, all the same."""
    await ready.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CHILD_START_SECONDS):
            for child in children:
                await child.ready.wait()
    sys.stdout.write(f"Keepwell is ready at {_url(listener)}\n{hint}")
    sys.stdout.flush()


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _beside:  # noqa: N801 - used like a function
    """Runs coroutines beside the block; cancels them at its end. One that fails lets its exception out there."""

    def __init__(self, *coroutines: Coroutine[Any, Any, None]) -> None:
        self._coroutines = coroutines
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(each) for each in self._coroutines]

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
