"""Listening on an address until the keyboard or a signal ends it."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilotline.domain.errors import AccessError, FactoryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import ASGIApp

__all__ = ["BadCertificate", "CannotListen", "NotLoopback", "Tls", "address_of", "listen", "serve", "tls_from"]

#: Seconds that requests in hand get at the end.
_LAST_SECONDS = 5


class NotLoopback(AccessError):
    """Other machines could reach the server, and nobody asked for that."""

    code = "PL402"
    exit_status = 2


class CannotListen(FactoryError):
    """The address is taken, or is not one of this machine."""

    code = "PL501"


class BadCertificate(AccessError):
    """A certificate and its key cannot be read, or do not belong together."""

    code = "PL348"
    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a server shows who it is with; both files are in PEM."""

    #: The server's, then those that it was signed with.
    certificate: Path
    key: Path


def tls_from(certificate: Path | None, key: Path | None) -> Tls | None:
    """The two that belong together; None: plain HTTP.

    Raises:
        UsageError: one is given without the other.
        BadCertificate: they cannot be read, or do not belong together.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("TLS wants a certificate and its key", try_next="--tls-cert FILE --tls-key FILE")
    try:
        # Nobody is there to be asked for a password.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise BadCertificate(
            f"{certificate} and {key} are no certificate and its key without a password: {error}",
            try_next="name two files in PEM that belong together",
            certificate=str(certificate),
            key=str(key),
        ) from error
    return Tls(certificate=certificate, key=key)


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
    except (OSError, UnicodeError) as error:
        raise _cannot(host, port, error) from error
    family, _, _, _, address = found[0]
    if not expose and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise NotLoopback(
            f"{host} can be reached from other machines, and whoever has the token reads every table",
            try_next=f"say so: --host {host} --expose; and give it a certificate with --tls-cert and --tls-key",
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


def address_of(listening: socket.socket, tls: Tls | None = None) -> str:
    """The URL of what is served on a socket of this machine's."""
    host, port, *_ = listening.getsockname()
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def serve(
    app: ASGIApp, listening: socket.socket, *, tls: Tls | None = None, ended: Callable[[], bool] = lambda: False
) -> None:
    """Answer requests until a signal; those in hand are answered first.

    Args:
        app: answers.
        listening: takes connections, and is closed at the end.
        tls: with what it speaks TLS; None: plain HTTP.
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
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
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


def _cannot(host: str, port: int, error: OSError | UnicodeError) -> CannotListen:
    return CannotListen(
        f"cannot listen on {host}, port {port}: {getattr(error, 'strerror', None) or error}",
        try_next="--port 0 takes a port that is free",
        host=host,
        port=port,
    )
