"""The report of a run: one HTML file that needs nothing else, made from the rows that the run left."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.errors import PilotlineError
from pilotline.domain.numbers import amount, plural
from pilotline.lake.diff_page import WIDE, wide
from pilotline.run.drawing import graph_of, svg
from pilotline.run.figures import figures_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from pilotline.domain.plans import Plan
    from pilotline.lake.catalog import CatalogReader
    from pilotline.lake.diff import TableDiff
    from pilotline.run.records import Records, Run, StepRow

__all__ = ["write_report"]

_PAGE: Final = Path(__file__).parent / "report.html"
#: Tables with more rows are not compared row by row for a report.
_MOST_ROWS: Final = 2_000_000
_MOST_PRINTED: Final = 8_000
#: So many rows that are new, and so many that are gone, are shown, and so much of a value.
_SHOWN: Final = 4
_CUT: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the report is made of."""

    plan: Plan
    run: Run
    steps: Mapping[str, StepRow]
    events: Sequence[tuple[datetime, str, Mapping[str, Any]]]
    rows: Mapping[str, Sequence[tuple[Any, ...]]]
    diffs: Mapping[str, TableDiff]
    #: Numbers as they were published before: value, text, run.
    before: Mapping[str, tuple[float | None, str, int]]
    packages: Mapping[str, str]
    printed: str
    error: str


def write_report(
    plan: Plan, number: int, records: Records, lake: CatalogReader, folder: Path, *, error: str = ""
) -> Path:
    """Write ``report.html`` into the folder of a run, and give its path.

    Args:
        plan: that was carried out.
        number: of the run.
        records: the rows of runs.
        lake: to compare what was published with what was there before.
        folder: of the run.
        error: what stopped it.
    """
    run = records.run(number)
    seen = _Seen(
        plan=plan,
        run=run,
        steps={row.step: row for row in records.steps(number)},
        events=records.events(number),
        rows={name: records.rows_of(name, number) for name in ("lineage", "artifacts", "metrics", "verdicts")},
        diffs=_diffs(lake, run),
        before=records.metrics_before(run),
        packages=_packages(folder),
        printed=_printed(folder),
        error=error,
    )
    page = _PAGE.read_text(encoding="utf-8")
    title = f"{run.pipeline} {run.name}"
    sections = [_head(seen), _error(seen), _graph(seen), _tables(seen), _numbers(seen), _checks(seen), _time(seen), _figures(seen),
                _inputs(seen), _environment(seen), _output(seen)]  # fmt: skip
    path = folder / "report.html"
    half = path.with_suffix(".half")
    half.write_text(
        page.replace("{{wide}}", WIDE)
        .replace("{{title}}", escape(title))
        .replace("{{body}}", "\n".join(one for one in sections if one)),
        encoding="utf-8",
    )
    half.replace(path)
    return path


# -- what it is made of ------------------------------------------------------------------------------------------------


def _diffs(lake: CatalogReader, run: Run) -> dict[str, TableDiff]:
    from pilotline.domain.access import Scope
    from pilotline.lake.diff import diff

    if run.branch is None:
        return {}
    with suppress(PilotlineError):
        branch = lake.branch(run.branch)
        tables = {each.table: each for each in lake.tables(branch.head)}
        before = {each.table: each for each in lake.tables(branch.base)}
        changed = [
            table
            for table, info in tables.items()
            if (table not in before or before[table].snapshot != info.snapshot)
            and max(info.rows, before[table].rows if table in before else 0) <= _MOST_ROWS
        ]
        whole = Scope.everything("the report of a run in its own lake")
        found = diff(lake, branch.base, branch.head, lambda _: whole, only=changed)
        return {str(each.table): each for each in found.tables}
    return {}


def _packages(folder: Path) -> dict[str, str]:
    try:
        answer: dict[str, Any] = json.loads((folder / "result").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return answer.get("python", {}).get("packages", {})


def _printed(folder: Path) -> str:
    parts: list[str] = []
    for name in ("stdout", "stderr"):
        with suppress(OSError):
            parts.append((folder / name).read_text(encoding="utf-8", errors="replace").strip())
    text = "\n".join(part for part in parts if part)
    return text if len(text) <= _MOST_PRINTED else "...\n" + text[-_MOST_PRINTED:]


# -- sections ----------------------------------------------------------------------------------------------------------


def _head(seen: _Seen) -> str:
    run = seen.run
    took = f"{(run.ended - run.began).total_seconds():.1f} s" if run.ended else "not ended"
    computed = sum(row.outcome == "computed" for row in seen.steps.values())
    facts = [
        ("onto", run.onto),
        ("commit", run.commit[:8] if run.commit else "none"),
        ("branch", run.branch or "none"),
        ("began", f"{run.began.astimezone():%Y-%m-%d %H:%M:%S}"),
        ("took", took),
        ("steps", f"{computed} computed, {len(seen.steps) - computed} reused"),
        ("by", run.author),
    ]
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    summary = f"<p class=lead>{escape(seen.plan.pipeline.summary)}</p>" if seen.plan.pipeline.summary else ""
    return (
        f"<header><p class=eyebrow>{escape(run.name)}</p><h1>{escape(run.pipeline)}"
        f" <span class='badge {run.state}'>{run.state}</span></h1>{summary}<dl class=facts>{cells}</dl></header>"
    )


def _error(seen: _Seen) -> str:
    text = seen.error or seen.run.because
    if seen.run.state not in {"failed", "cancelled"} or not text:
        return ""
    return f"<section class=wrong><h2>What stopped it</h2><pre>{escape(text)}</pre></section>"


def _graph(seen: _Seen) -> str:
    below: dict[str, tuple[str, str]] = {}
    for step in seen.plan.pipeline.steps:
        row = seen.steps.get(step.name)
        if row is None:
            reached = any(kind == "started" and facts.get("step") == step.name for _, kind, facts in seen.events)
            below[step.name] = ("failed" if reached else "", "failed" if reached else "not run")
        else:
            text = f"{row.seconds or 0:.2f} s" if row.outcome == "computed" else row.outcome
            below[step.name] = (row.outcome, " · ".join([text, *_shapes(row)[:1]]))
    made = {role: plural(rows, "row") for _, kind, _, _, role, rows in _made(seen) if kind == "table"}
    made |= {name: _number(value, text) for name, value, text in seen.rows["metrics"]}
    made |= {name: kind.rpartition(".")[2] for name, _, kind, *_ in seen.rows["artifacts"]}
    below |= {f"output {name}": ("", text) for name, text in made.items()}
    drawn = svg(graph_of(seen.plan.pipeline, seen.plan.parameters, below), styled=False)
    return f"<section><h2>Steps</h2>{wide(drawn)}</section>"


def _figures(seen: _Seen) -> str:
    """What each step took and gave, in the order of the pipeline."""
    order = {step.name: place for place, step in enumerate(seen.plan.pipeline.steps)}
    figures = sorted(figures_of(seen.steps.values()), key=lambda each: order.get(each.step, len(order)))
    rows = [
        (
            f"<b>{escape(each.step)}</b>",
            each.outcome,
            _count(each.rows_in),
            _count(each.rows_out),
            "" if each.bytes is None else _bytes(each.bytes),
            "" if each.seconds is None else f"{each.seconds:.2f}\u00a0s",
            "" if each.cpu is None else f"{each.cpu:.2f}\u00a0s",
            "" if each.memory is None else _bytes(each.memory),
        )
        for each in figures
    ]
    heads = ("step", "", "rows in", "rows out", "stored", "took", "CPU", "most memory")
    return f"<section><h2>Figures</h2>{_grid(heads, rows)}</section>" if rows else ""


def _shapes(row: StepRow) -> list[str]:
    shapes = [each["shape"] for each in row.facts.get("results") or () if each.get("shape")]
    return [" x ".join(amount(one) for one in shape) for shape in shapes]


def _made(seen: _Seen) -> list[tuple[Any, ...]]:
    return [row for row in seen.rows["lineage"] if row[0] == "out"]


def _tables(seen: _Seen) -> str:
    if not _made(seen):
        return ""
    rows: list[Sequence[str]] = []
    for _, _, name, _, role, count in _made(seen):
        change = seen.diffs.get(name)
        said = "" if role == name.partition(".")[2] else f"<span class=dim> as {escape(role)}</span>"
        rows.append((f"<b>{escape(name)}</b>{said}", _count(count), _change(change)))
    grid = _grid(("table", "rows", "against what was there"), rows)
    examples = "".join(_examples(seen.diffs[name]) for _, _, name, *_ in _made(seen) if name in seen.diffs)
    return f"<section><h2>Tables</h2>{grid}{examples}</section>"


def _examples(change: TableDiff) -> str:
    """Some rows that differ."""
    signed = [("plus", "+", row) for row in change.added[:_SHOWN]]
    signed += [("minus", "-", row) for row in change.removed[:_SHOWN]]
    if change.change != "changed" or not signed:
        return ""
    names = list(dict.fromkeys(name for _, _, row in signed for name in row))
    rows = [
        (f"<b class={kind}>{sign}</b>", *(escape(_cell(row.get(name))) for name in names)) for kind, sign, row in signed
    ]
    grid = _grid(("", *(escape(name) for name in names)), rows, kind="rows")
    return f"<details><summary>Rows of {escape(str(change.table))} that differ</summary>{grid}</details>"


def _cell(value: object) -> str:
    text = "NULL" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _CUT else text[: _CUT - 3] + "..."


def _change(change: TableDiff | None) -> str:
    if change is None:
        return "<span class=dim>as it was</span>"
    if change.change != "changed":
        return f"<span class=plus>{change.change}</span>"
    parts = [
        f"<span class=plus>+{_count(change.rows_added)}</span> <span class=minus>-{_count(change.rows_removed)}</span>"
    ]
    parts += [escape(each) for each in change.schema_changes]
    return f"{'<br>'.join(parts)} <span class=dim>of {_count(change.rows_before)}</span>"


def _numbers(seen: _Seen) -> str:
    cards = [
        f"<div class=card><span>{escape(name)}</span><b>{escape(_number(value, text))}</b>{_was(seen, name, text)}</div>"
        for name, value, text in seen.rows["metrics"]
    ]
    rows = [
        (f"<b>{escape(name)}</b>", escape(kind), _bytes(size), f"<code>{sha256[:12]}</code>", escape(because))
        for name, _, kind, _, sha256, size, because in seen.rows["artifacts"]
    ]
    parts = [f"<section><h2>Numbers</h2><div class=cards>{''.join(cards)}</div></section>"] if cards else []
    if rows:
        parts.append(f"<section><h2>Artifacts</h2>{_grid(('name', 'what', 'size', 'sha256', ''), rows)}</section>")
    return "".join(parts)


def _was(seen: _Seen, name: str, text: str) -> str:
    if name not in seen.before or seen.before[name][1] == text:
        return ""
    value, before, number = seen.before[name]
    return f" <i>was {escape(_number(value, before))} in run-{number}</i>"


def _checks(seen: _Seen) -> str:
    rows = [
        (
            f"<span class='dot {_verdict_class(outcome, severity)}'></span> {outcome}{' (warns)' if severity == 'warn' else ''}",
            escape(table),
            escape(name),
            escape(because),
            f"{seconds * 1000:.0f}\u00a0ms",
        )
        for table, name, severity, outcome, _, because, seconds in seen.rows["verdicts"]
    ]
    return f"<section><h2>Checks</h2>{_grid(('', 'table', 'check', 'found', 'took'), rows)}</section>" if rows else ""


def _verdict_class(outcome: str, severity: str) -> str:
    return "good" if outcome == "passed" else "bad" if severity == "error" else "warn"


def _time(seen: _Seen) -> str:
    """A bar for what took how long, on one scale."""
    bars = list(_bars(seen))
    if not bars:
        return ""
    end = max(stop for _, _, stop, _ in bars) or 1.0
    height = 26
    lines = [f"<svg class=gantt viewBox='0 0 900 {len(bars) * height + 24}' role=img aria-label='what took how long'>"]
    for row, (name, start, stop, state) in enumerate(bars):
        x, length = 180 + 620 * start / end, max(620 * (stop - start) / end, 2)
        y = row * height
        lines.append(
            f"<text x=170 y={y + 17} text-anchor=end>{escape(name[:26])}</text>"
            f"<rect class='{state}' x={x:.1f} y={y + 5} width={length:.1f} height=16 rx=3 />"
            f"<text class=dim x={x + length + 6:.1f} y={y + 17}>{stop - start:.2f} s</text>"
        )
    lines.append(f"<text class=dim x=180 y={len(bars) * height + 18}>0</text>")
    lines.append(f"<text class=dim x=800 y={len(bars) * height + 18} text-anchor=end>{end:.1f} s</text></svg>")
    return f"<section><h2>Time</h2>{wide(''.join(lines))}</section>"


def _bars(seen: _Seen) -> Iterable[tuple[str, float, float, str]]:
    began = seen.run.began
    last, judged = 0.0, False
    started: dict[str, float] = {}
    for at, kind, facts in seen.events:
        now = (at - began).total_seconds()
        match kind:
            case "started":
                started[str(facts["step"])] = now
            case "again":
                yield f"{facts['step']}, try {facts['times']}", started.get(str(facts["step"]), last), now, "failed"
                started[str(facts["step"])] = now + float(facts["wait"])
            case "step" if facts["outcome"] == "computed":
                yield str(facts["step"]), started.get(str(facts["step"]), last), now, "computed"
            case "imported":
                yield "imports", max(now - float(facts["seconds"]), 0.0), now, "other"
            case "check" if not judged:
                judged = True
                yield "checks", last, now, "other"
            case "table":
                yield f"write {facts['output']}", last, now, "other"
            case "published":
                yield "publish", last, now, "publish"
            case _:
                pass
        last = now


def _inputs(seen: _Seen) -> str:
    parameters = [
        (f"<code>{escape(name)}</code>", escape(json.dumps(value, default=str)))
        for name, value in seen.run.parameters.items()
    ]
    read = [
        (kind, f"<b>{escape(name)}</b>", f"<code>{escape(str(state)[:12])}</code>", escape(role))
        for direction, kind, name, state, role, _ in seen.rows["lineage"]
        if direction == "in"
    ]
    parts: list[str] = []
    if parameters:
        parts.append(f"<section><h2>Parameters</h2>{_grid(('name', 'value'), parameters)}</section>")
    if read:
        parts.append(f"<section><h2>Read</h2>{_grid(('', 'what', 'state', 'parameter'), read)}</section>")
    return f"<div class=pair>{''.join(parts)}</div>" if parts else ""


def _environment(seen: _Seen) -> str:
    listed = "".join(
        f"<li>{escape(name)} <span class=dim>{escape(version)}</span></li>" for name, version in seen.packages.items()
    )
    python = f"<p>{escape(seen.run.environment)} <span class=dim>{escape(seen.plan.python)}</span></p>"
    return f"<section><h2>Environment</h2>{python}<ul class=packages>{listed}</ul></section>"


def _output(seen: _Seen) -> str:
    if not seen.printed:
        return ""
    return f"<section><details><summary>What the steps printed</summary><pre>{escape(seen.printed)}</pre></details></section>"


def _grid(heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "") -> str:
    """A table of ready cells; a column in which nothing stands is left out."""
    listed = list(rows)
    kept = [place for place in range(len(heads)) if any(row[place] for row in listed)]
    top = "".join(f"<th>{heads[place]}</th>" for place in kept)
    body = "".join("<tr>" + "".join(f"<td>{row[place]}</td>" for place in kept) + "</tr>" for row in listed)
    return wide(f"<table class='{kind}'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")


def _count(count: int | None) -> str:
    # Blanks at which no line is broken.
    return "" if count is None else amount(count).replace(" ", "\u00a0")


def _number(value: float | None, text: str) -> str:
    return text if value is None or float(value).is_integer() else f"{value:.6g}"


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
