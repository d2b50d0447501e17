"""Serve the tables of this project to other engines, as an Iceberg REST catalog that can only be read.

pilotline serve
pilotline serve --port 0 --json

DuckDB, Polars, Daft, Spark and pyiceberg choose a branch, a tag or a commit by their option `warehouse`. Whoever has the
token reads every table: it is for the owner of the project alone.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.cli.arguments import whole
from pilotline.domain.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from starlette.types import ASGIApp

    from pilotline.cli.terminal import Out
    from pilotline.lake.lake import Lake
    from pilotline.server.tokens import Token

NAME = "serve"
HELP = "serve the tables to DuckDB, Polars, Spark and others, for reading"


def add_arguments(parser: ArgumentParser) -> None:
    """Where, and with which token."""
    add_listening(parser)


def add_listening(parser: ArgumentParser) -> None:
    """The arguments of whatever serves: an address, and a token."""
    parser.add_argument(
        "--port", type=whole(0, 65535), default=8181, metavar="NUMBER", help="0 takes any that is free (8181)"
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    parser.add_argument("--expose", action="store_true", help="allow an address that other machines can reach")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="holds the token; else PILOTLINE_TOKEN, or a new one"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="speak TLS, with the certificate in this file")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key")


def run(args: Namespace, out: Out) -> int:
    """Listen, say where, and answer until Ctrl-C.

    Raises:
        UsageError: the port cannot be one, or what serves is not installed.
    """
    refuse_what_cannot_serve(args.port, NAME)
    from pilotline.cli.lakes import open_here
    from pilotline.lake.attending import attending
    from pilotline.run.components import COMPONENTS
    from pilotline.server.listening import address_of, listen, serve, tls_from
    from pilotline.server.tokens import token_from

    token, tls = token_from(args.token_file, os.environ), tls_from(args.tls_cert, args.tls_key)
    lake, _ = open_here(making=True)
    served = served_by(lake, token)
    # Ctrl-C is how it usually ends.
    attended = attending(lake.database, "serve", COMPONENTS)
    with attended, listen(args.host, args.port, expose=args.expose) as listening, suppress(KeyboardInterrupt):
        address = address_of(listening, tls)
        out.say(f"the tables are served at {address}, for reading, until Ctrl-C")
        out.say(f"  token: {f'as in {token.given_by}' if token.given_by else token.secret}")
        out.say("  warehouse: main, or any branch, tag or commit")
        out.document({"address": address, "token": None if token.given_by else token.secret, "warehouse": "main"})
        out.finish()
        serve(served, listening, tls=tls)
    out.say("stopped")
    return 0


def refuse_what_cannot_serve(port: int, command: str) -> None:
    """Say so before anything is begun.

    Raises:
        UsageError: the port cannot be one, or what serves is not installed.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"{port} is no port", try_next=f"pilotline {command} --port 0")
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise UsageError("what serves over HTTP is not installed", try_next="uv tool install 'pilotline[tool]'")


def served_by(lake: Lake, token: Token) -> ASGIApp:
    """What answers: the tables of a lake, its metrics; reads are counted."""
    from pilotline.cli.lakes import whole
    from pilotline.factory.metrics import metrics
    from pilotline.run.nothing import somebody
    from pilotline.run.usage import Buffered, Usage
    from pilotline.server.app import app
    from pilotline.server.iceberg import IcebergCatalog

    reads = Buffered(Usage(lake.database), somebody())
    return app(IcebergCatalog(lake, whole, reads.count), token, lambda: metrics(lake), reads.write)
