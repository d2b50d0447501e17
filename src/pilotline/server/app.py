"""The routes: who asks is checked first, then the words of a request become one call, and its result JSON.

What goes wrong is said as Iceberg's clients expect it: ``{"error": {"message", "type", "code"}}``.
"""

from __future__ import annotations

import base64
import binascii
from asyncio import get_running_loop
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

from pilotline.domain.access import NotAllowed
from pilotline.domain.errors import PilotlineError, UsageError
from pilotline.domain.tables import BadTableName, NoSuchTable
from pilotline.lake.errors import DatabaseUnreachable, Expired, FilesElsewhere, LakeBusy, NoSuchRef, StorageUnreachable
from pilotline.server.iceberg import IcebergCatalog, page_of, ref_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pilotline.server.iceberg import Page
    from pilotline.server.tokens import Token

__all__ = ["app"]

_NAMESPACES: Final = "/v1/{prefix:path}/namespaces"
_NAMESPACE: Final = f"{_NAMESPACES}/{{namespace}}"
_TABLE: Final = f"{_NAMESPACE}/tables/{{table}}"
_TOKENS: Final = "/v1/oauth/tokens"
_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
#: Bytes that a request for a token can have.
_LARGEST_FORM: Final = 16_384
#: Requests that are answered at once.
_THREADS: Final = 8


def app(
    catalog: IcebergCatalog,
    token: Token,
    metrics: Callable[[], str] | None = None,
    at_end: Callable[[], None] = lambda: None,
) -> Starlette:
    """The whole of what is served.

    Args:
        catalog: what is asked.
        token: who has it may ask.
        metrics: what monitoring gets at ``/metrics``, in the text format of Prometheus.
        at_end: done when no request is answered any more, whatever ends the server.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.routing import Route

    # Threads that stay, since each has a connection of the catalog's database.
    threads = ThreadPoolExecutor(_THREADS, "answering")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await get_running_loop().run_in_executor(threads, at_end)
        threads.shutdown(wait=False)

    def in_thread(answer: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            return await get_running_loop().run_in_executor(threads, answer, request)

        return answered

    async def give_token(request: Request) -> Response:
        return await _give_token(request, token)

    def give_metrics(_: Request) -> Response:
        from starlette.responses import PlainTextResponse

        told = metrics() if metrics is not None else ""
        return PlainTextResponse(told, media_type="text/plain; version=0.0.4")

    answers = _Answers(catalog)
    made = Starlette(
        lifespan=lifespan,
        routes=[
            Route(_TOKENS, give_token, methods=["POST"]),
            Route("/v1/config", in_thread(answers.config)),
            *([Route("/metrics", in_thread(give_metrics))] if metrics is not None else []),
            Route(f"{_TABLE}/metrics", in_thread(answers.metrics), methods=["POST"]),
            *(Route(path, in_thread(answer)) for path, answer in answers.routes().items()),
        ],
        middleware=[Middleware(_OwnerReads, token=token)],
        exception_handlers={PilotlineError: _refused, HTTPException: _no_such_path, Exception: _broken},
    )
    # Where something that speaks TLS stands before this, it would be a redirection to plain HTTP, with the token.
    made.router.redirect_slashes = False
    return made


class _Answers:
    """Takes requests apart; each is answered in a thread, for the lake waits for disks."""

    def __init__(self, catalog: IcebergCatalog) -> None:
        self._catalog = catalog

    def routes(self) -> Mapping[str, Callable[[Request], Response]]:
        return {
            f"{_TABLE}/credentials": self.credentials,
            _TABLE: self.table,
            f"{_NAMESPACE}/tables": self.tables,
            f"{_NAMESPACE}/views/{{view}}": self.view,
            f"{_NAMESPACE}/views": self.views,
            _NAMESPACE: self.namespace,
            _NAMESPACES: self.namespaces,
        }

    def config(self, request: Request) -> Response:
        return _json(self._catalog.config(request.query_params.get("warehouse", "")))

    def namespaces(self, request: Request) -> Response:
        return _json(self._catalog.namespaces(_ref(request), request.query_params.get("parent", ""), _page(request)))

    def namespace(self, request: Request) -> Response:
        return _json(self._catalog.namespace(_ref(request), request.path_params["namespace"]), of=request)

    def tables(self, request: Request) -> Response:
        return _json(self._catalog.tables(_ref(request), request.path_params["namespace"], _page(request)))

    def views(self, request: Request) -> Response:
        return _json(self._catalog.views(_ref(request), request.path_params["namespace"], _page(request)))

    def view(self, request: Request) -> Response:
        named = f"{request.path_params['namespace']}.{request.path_params['view']}"
        return _error(404, "NoSuchViewException", f"there is no view '{named}': tables are all there is")

    def table(self, request: Request) -> Response:
        namespace, table = request.path_params["namespace"], request.path_params["table"]
        if request.method == "HEAD":
            self._catalog.find_table(_ref(request), namespace, table)
            return _json({}, of=request)
        answer = self._catalog.table(_ref(request), namespace, table)
        # A state's metadata never changes, so where it lies says what is answered.
        tag = f'"{sha256(answer["metadata-location"].encode()).hexdigest()}"'
        if tag in _tags(request.headers.get("if-none-match", "")):
            return _not_modified(tag)
        return _json(answer, ETag=tag)

    def credentials(self, request: Request) -> Response:
        found = self._catalog.credentials(_ref(request), request.path_params["namespace"], request.path_params["table"])
        return _json(found)

    def metrics(self, request: Request) -> Response:
        """What a client tells of a scan that it did: nobody asks for it, and it is not kept."""
        self._catalog.find_table(_ref(request), request.path_params["namespace"], request.path_params["table"])
        return _nothing()


class _OwnerReads:
    """Lets through who has the token and wants to read, or to tell of what was read; everybody may ask for a token."""

    def __init__(self, inner: ASGIApp, *, token: Token) -> None:
        self._inner = inner
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._inner)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        from starlette.datastructures import Headers

        if scope["path"] == _TOKENS:
            return None
        kind, _, said = Headers(scope=scope).get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not self._token.is_(said.strip()):
            answer = _error(401, "NotAuthorizedException", "the token is missing or not the one of this server")
            answer.headers["WWW-Authenticate"] = 'Bearer realm="pilotline"'
            return answer
        tells = scope["method"] == "POST" and scope["path"].endswith("/metrics")
        return None if tells or scope["method"] in {"GET", "HEAD"} else _read_only()


async def _give_token(request: Request, token: Token) -> Response:
    """OAuth2's client credentials, or the exchange of a token for itself; the secret is the token."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            return _json({"error": "invalid_request", "error_description": "it is too large"}, status=413)
    form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    match form.get("grant_type"):
        case "client_credentials":
            said = form.get("client_secret") or _secret_of_basic(request.headers.get("authorization", ""))
        case grant if grant == _EXCHANGE:
            said = form.get("subject_token", "")
        case _:
            return _json({"error": "unsupported_grant_type"}, status=400)
    if not token.is_(said):
        return _json(
            {"error": "invalid_client", "error_description": "the secret is not this server's token"}, status=401
        )
    # It holds as long as the server runs, so no client need ask again.
    return _json({"access_token": said, "token_type": "bearer", "issued_token_type": _TOKEN_TYPE})


def _secret_of_basic(header: str) -> str:
    kind, _, said = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return unquote(base64.b64decode(said, validate=True).decode().partition(":")[2])
    except (binascii.Error, ValueError):
        return ""


def _ref(request: Request) -> str:
    return ref_of(request.path_params["prefix"])


def _page(request: Request) -> Page | None:
    return page_of(request.query_params.get("pageToken"), request.query_params.get("pageSize"))


def _tags(header: str) -> set[str]:
    """What `If-None-Match` lists; whether a tag is weak makes no difference to it."""
    return {each.strip().removeprefix("W/") for each in header.split(",")}


def _json(content: Mapping[str, Any], *, status: int = 200, of: Request | None = None, **headers: str) -> Response:
    from starlette.responses import JSONResponse

    if of is not None and of.method == "HEAD":
        return _nothing()
    # Neither tokens nor what a branch holds now is for a store between.
    return JSONResponse(dict(content), status_code=status, headers={"Cache-Control": "no-store", **headers})


def _nothing() -> Response:
    from starlette.responses import Response

    return Response(status_code=204)


def _not_modified(tag: str) -> Response:
    from starlette.responses import Response

    return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "no-store"})


def _error(status: int, kind: str, message: str) -> Response:
    return _json({"error": {"message": message, "type": kind, "code": status}}, status=status)


def _read_only() -> Response:
    answer = _error(
        405,
        "UnsupportedOperationException",
        "this catalog is read-only: tables are written by `pilotline run`, on a branch, and published once they are checked",
    )
    answer.headers["Allow"] = "GET, HEAD"
    return answer


def _refused(request: Request, error: Exception) -> Response:
    status, kind = _as_http(error, request)
    return _error(status, kind, f"{getattr(error, 'code', '')}: {error}")


def _as_http(error: Exception, request: Request) -> tuple[int, str]:
    match error:
        case UsageError():
            return 400, "BadRequestException"
        case NoSuchRef() if "prefix" not in request.path_params:
            return 404, "NoSuchWarehouseException"
        case NoSuchRef() if "table" not in request.path_params:
            return 404, "NoSuchNamespaceException"
        case NoSuchRef() | NoSuchTable() | BadTableName() | Expired():
            return 404, "NoSuchTableException"
        case NotAllowed():
            return 403, "ForbiddenException"
        case FilesElsewhere():
            return 422, "UnprocessableEntityException"
        case LakeBusy() | StorageUnreachable() | DatabaseUnreachable():
            return 503, "ServiceUnavailableException"
        case _:
            return 500, "InternalServerError"


def _no_such_path(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    if status == 405:
        return _read_only()
    return _error(status, "NotFoundException", f"nothing is served at {request.url.path}")


def _broken(_: Request, error: Exception) -> Response:
    return _error(500, "InternalServerError", f"this is a bug in Pilotline: {type(error).__name__}")
