"""Give a run to OpenTelemetry, as one trace: the run, and in it each step, table and check.

Nothing is sent unless OpenTelemetry's own variables say where to: ``OTEL_EXPORTER_OTLP_ENDPOINT``, or the one for traces alone. What
is sent is its protocol over HTTP as JSON (https://opentelemetry.io/docs/specs/otlp/), which needs no library; only names, numbers and
times, no data. ``TRACEPARENT`` makes the run a part of a trace that somebody began.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from pilotline import __version__
from pilotline.run.figures import figures_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pilotline.run.records import Records, Run

__all__ = ["endpoint", "export", "spans_of"]

#: Seconds that sending may take at the end of a run.
_TIMEOUT: Final = 5.0
_PARENT: Final = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}")
_OK, _ERROR = 1, 2


def endpoint(environ: Mapping[str, str]) -> str | None:
    """Where traces go; None: nowhere."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    own = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    general = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    found = own or (f"{general.rstrip('/')}/v1/traces" if general else None)
    return found if found and found.startswith(("http://", "https://")) else None


def export(records: Records, number: int, environ: Mapping[str, str] | None = None) -> int:
    """Send the trace of a run that has ended, where one is wanted.

    Returns:
        How many spans were sent.

    Raises:
        OSError: they were not taken.
    """
    import urllib.request  # what runs without a collector need not load

    said = os.environ if environ is None else environ
    where = endpoint(said)
    if where is None:
        return 0
    spans = spans_of(records.run(number), records, said.get("TRACEPARENT", ""))
    resource = {"service.name": said.get("OTEL_SERVICE_NAME") or "pilotline", "service.version": __version__}
    resource |= _pairs(said.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    document = {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": {"name": "pilotline", "version": __version__}, "spans": spans}],
            }
        ]
    }
    headers = {"Content-Type": "application/json", **_pairs(said.get("OTEL_EXPORTER_OTLP_HEADERS", ""))}
    headers |= _pairs(said.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS", ""))
    request = urllib.request.Request(  # noqa: S310 - http or https, see endpoint
        where, data=json.dumps(document).encode(), headers=headers, method="POST"
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310 - as above
        return len(spans)


def spans_of(run: Run, records: Records, parent: str = "") -> list[dict[str, Any]]:
    """The spans of a run: itself first, then its steps, tables and checks as they ended.

    Args:
        run: that has ended.
        records: for what happened in it.
        parent: a ``traceparent`` of W3C's, of whoever began the run.
    """
    above = _PARENT.fullmatch(parent.strip())
    identity = f"{run.pipeline} {run.number} {run.began.isoformat()}"
    trace = above["trace"] if above else _id(identity, 16)
    root = _id(f"{identity} run", 8)
    ended = run.ended or run.began
    failed = run.state in {"failed", "cancelled"}
    first = _span(
        trace, root, above["span"] if above else "", f"run {run.pipeline}", run.began, ended,
        {
            "pilotline.run": run.name, "pilotline.pipeline": run.pipeline, "pilotline.state": run.state,
            "pilotline.onto": run.onto, "pilotline.commit": run.commit or "",
        },
        _ERROR if failed else _OK, run.because if failed else "",
    )  # fmt: skip
    spans = [first]
    costs = {each.step: each for each in figures_of(records.steps(run.number))}
    before = run.began
    for place, (at, kind, facts) in enumerate(records.events(run.number)):
        own = _id(f"{identity} {place}", 8)
        match kind:
            case "step":
                name, cost = str(facts.get("step")), costs.get(str(facts.get("step")))
                began = max(run.began, _earlier(at, (cost.seconds if cost else None) or 0.0))
                told: dict[str, Any] = {"pilotline.step": name, "pilotline.outcome": str(facts.get("outcome"))}
                if cost is not None:
                    told |= {"pilotline.cpu_seconds": cost.cpu or 0.0, "pilotline.bytes": cost.bytes or 0}
                    counted = {"rows_in": cost.rows_in, "rows_out": cost.rows_out, "memory": cost.memory}
                    told |= {f"pilotline.{name}": value for name, value in counted.items() if value is not None}
                spans.append(_span(trace, own, root, f"step {name}", began, at, told, _OK))
            case "table":
                told = {"pilotline.table": str(facts.get("table")), "pilotline.rows": int(facts.get("rows") or 0)}
                spans.append(_span(trace, own, root, f"write {facts.get('table')}", before, at, told, _OK))
            case "check":
                wrong = facts.get("outcome") != "passed"
                told = {"pilotline.table": str(facts.get("table")), "pilotline.check": str(facts.get("name"))}
                status = _ERROR if wrong and facts.get("severity") == "error" else _OK
                spans.append(_span(trace, own, root, f"check {facts.get('table')}", before, at, told, status))
            case _:
                pass
        before = at
    return spans


def _span(
    trace: str, own: str, parent: str, name: str, began: datetime, ended: datetime, facts: Mapping[str, Any], code: int,
    said: str = "",
) -> dict[str, Any]:  # fmt: skip
    return {
        "traceId": trace,
        "spanId": own,
        **({"parentSpanId": parent} if parent else {}),
        "name": name,
        "kind": 1,
        "startTimeUnixNano": _nanoseconds(began),
        "endTimeUnixNano": _nanoseconds(max(began, ended)),
        "attributes": _attributes(facts),
        "status": {"code": code, **({"message": said[:500]} if said else {})},
    }


def _attributes(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for key, value in facts.items():
        match value:
            case bool():
                held: dict[str, Any] = {"boolValue": value}
            case int():
                held = {"intValue": str(value)}
            case float():
                held = {"doubleValue": value}
            case _:
                held = {"stringValue": str(value)}
        found.append({"key": key, "value": held})
    return found


def _pairs(text: str) -> dict[str, str]:
    """``a=1,b=two``, as OpenTelemetry writes headers and attributes."""
    pairs = [each.partition("=") for each in text.split(",") if "=" in each]
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs}


def _id(text: str, size: int) -> str:
    """The same id for the same thing, so that what is sent twice is known to be."""
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * size]


def _earlier(at: datetime, seconds: float) -> datetime:
    from datetime import timedelta

    return at - timedelta(seconds=seconds)


def _nanoseconds(at: datetime) -> str:
    return str(int(at.timestamp() * 1_000_000) * 1000)
