"""Listening on an address until the keyboard or a signal ends it."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from pilotline.domain.errors import AccessError, FactoryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

__all__ = ["CannotListen", "NotLoopback", "address_of", "listen", "serve"]

#: Seconds that requests in hand get at the end.
_LAST_SECONDS = 5


class NotLoopback(AccessError):
    """Other machines could reach the server, and nobody asked for that."""

    code = "PL402"
    exit_status = 2


class CannotListen(FactoryError):
    """The address is taken, or is not one of this machine."""

    code = "PL501"


def listen(host: str, port: int, *, expose: bool = False) -> socket.socket:
    """A socket that takes connections; port 0 takes any that is free.

    Args:
        host: a name or an address.
        port: which.
        expose: also where others than this machine can reach it.

    Raises:
        NotLoopback: they could, and ``expose`` does not say so.
        CannotListen: it is taken, or not of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _cannot(host, port, error) from error
    family, _, _, _, address = found[0]
    if not expose and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise NotLoopback(
            f"{host} can be reached from other machines, and whoever has the token reads every table",
            try_next=f"say so: --host {host} --expose; and put something that speaks TLS before it",
            host=host,
        )
    # Where the protocol is named, asyncio sends each answer at once instead of waiting 40 ms for the end of the last.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A port that was left a moment ago is free; one that somebody listens on is not.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise _cannot(host, port, error) from error
    return listening


def address_of(listening: socket.socket) -> str:
    """The URL of what is served on a socket of this machine's."""
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: ASGIApp, listening: socket.socket, *, ended: Callable[[], bool] = lambda: False) -> None:
    """Answer requests until a signal; those in hand are answered first.

    Args:
        app: answers.
        listening: takes connections, and is closed at the end.
        ended: whether a signal came already, before this could hear it.

    Raises:
        KeyboardInterrupt: it was Ctrl-C.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_LAST_SECONDS,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            # From here on signals are heard.
            self.should_exit = self.should_exit or ended()

    try:
        Server(config).run(sockets=[listening])
    finally:
        listening.close()


def _cannot(host: str, port: int, error: OSError) -> CannotListen:
    return CannotListen(
        f"cannot listen on {host}, port {port}: {error.strerror or error}",
        try_next="--port 0 takes a port that is free",
        host=host,
        port=port,
    )
