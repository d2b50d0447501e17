"""What a check of a change found, as Markdown for a pull request and as one HTML file.

A pull request is read by more people than the tables are. So the Markdown holds counts, shares, names and the pipeline's own
numbers, and never a value out of a table, nor a message that could quote one. The page adds the graph and how numbers are
spread, and no rows either: `pilotline diff` shows those to whoever may read the table.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from pilotline.domain.numbers import amount, plural
from pilotline.lake.diff_page import framed, sections, wide, without_rows
from pilotline.run.errors import StepFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pilotline.domain.errors import PilotlineError
    from pilotline.lab.ci import Checked, CheckedRule, Metric, Report, Tests
    from pilotline.lake.diff import TableDiff

__all__ = ["failure_said", "markdown", "page", "proof_said", "summary", "tests_said"]

#: So many columns of a table are listed. A comment on GitHub may have 65 536 signs.
_COLUMNS: Final = 20
_MOST: Final = 60_000
#: How somebody reads, in words.
_VIA: Final = {"read": "pilotline.read", "show": "pilotline show", "sql": "pilotline sql", "catalog": "another engine"}


# -- what both say -----------------------------------------------------------------------------------------------------


def summary(report: Report) -> str:
    """One line for all."""
    if not report.pipelines:
        return "no pipeline changed"
    bad = [one for one in report.pipelines if not one.passes]
    if bad:
        return "; ".join(f"{one.name} does not pass: {_why(one)}" for one in bad)
    differing = [one.name for one in report.pipelines if one.changes_data]
    if report.nothing_there:
        return "all pass; there are no published tables here to compare with"
    return f"all pass; {', '.join(differing)} would change data" if differing else "all pass; no data would change"


def _why(one: Checked) -> str:
    """What it is that does not pass, in few words."""
    if one.error is not None:
        failed = [rule for rule in one.rules if rule.outcome != "passed" and rule.severity != "warn"]
        return f"{plural(len(failed), 'check')} failed" if failed else f"the run stopped ({one.error.code})"
    return f"{plural(one.tests.failed, 'test')} failed" if one.tests.failed else "the tests could not be run"


def _rule_said(rule: CheckedRule) -> str:
    """A check by name, without the values that it lists: they are the data's, too."""
    column, word, values = rule.name.partition(" in ")
    return f"{column} in {plural(values.count(', ') + 1, 'value')}" if word else rule.name


def _outcome_said(rule: CheckedRule) -> str:
    if rule.outcome == "passed":
        return "passed"
    word = "warns" if rule.severity == "warn" else "failed"
    return f"{word}, {plural(rule.offending, 'row') if rule.offending else rule.outcome}"


def tests_said(tests: Tests) -> str:
    """What became of the tests, in words."""
    match tests.outcome:
        case "none":
            return "there are none"
        case "broken":
            return "could not be run"
        case "passed" | "failed":
            parts = [f"{tests.passed} passed"] if tests.passed else []
            parts += [f"{tests.failed} failed"] if tests.failed else []
            parts += [f"{tests.skipped} skipped"] if tests.skipped else []
            return f"{', '.join(parts) or tests.outcome} ({tests.seconds:.1f} s)"


def proof_said(one: Checked) -> str:
    """Whether the proof stands, in words."""
    return {
        "stands": "the module is as it was proven",
        "edited since": "the module or its lock is another one than was proven",
        "written by hand": "written by hand; there is no notebook to prove it by",
        "not recorded": "no proof is recorded here",
    }[one.proof]


def failure_said(error: PilotlineError) -> str:
    """What stopped a run, without what a message may quote: the values that the user's code met."""
    if isinstance(error, StepFailed):
        where = f"step {error.facts['step']}" if error.facts.get("step") else "importing the module"
        return f"{where} raised {error.facts.get('type')} in line {error.facts.get('line')}"
    return (type(error).__doc__ or error.code).partition("\n")[0].rstrip(".;").partition(";")[0]


def _steps(one: Checked) -> list[tuple[str, str]]:
    """Steps that the next run in production computes, each with what the plan says."""
    if one.plan is None:
        return []
    why = {stage.step: stage.why for stage in one.plan.steps}
    return [(step, why.get(step, "")) for step in one.cost.steps]


def _cost_said(one: Checked) -> str:
    cost = one.cost
    if not cost.steps:
        return "nothing is computed again"
    total = len(one.plan.pipeline.steps) if one.plan else len(cost.steps)
    known = len(cost.steps) - len(cost.unknown)
    parts = [f"{len(cost.steps)} of {total} steps are computed again"]
    if known:
        parts.append(f"by past runs {_seconds(cost.seconds)} and {_seconds(cost.cpu)} of CPU")
    if cost.unknown:
        parts.append(f"not known of {', '.join(cost.unknown)}")
    if cost.measured_seconds:
        parts.append(f"here it took {_seconds(cost.measured_seconds)} and {_seconds(cost.measured_cpu)} of CPU")
    return "; ".join(parts)


def _seconds(count: float) -> str:
    return f"{amount(count, '.1f')} s" if count >= 0.1 else f"{count * 1000:.0f} ms"


def _change(one: TableDiff) -> str:
    if one.change == "new":
        return "new"
    if one.change == "gone":
        return "gone"
    parts = [
        f"+{amount(one.rows_added)}" if one.rows_added else "",
        f"-{amount(one.rows_removed)}" if one.rows_removed else "",
    ]
    parts.append(f"~{amount(one.rows_changed)}" if one.rows_changed else "")
    return " ".join(part for part in parts if part) or "the same rows"


def _number(value: float | None, text: str) -> str:
    if value is None:
        # A number that is none, as NaN; anything longer might be a value of the data.
        return text if text in {"nan", "inf", "-inf"} else "-"
    return amount(value, ".6g")


def _by(metric: Metric) -> str:
    if metric.before is None or metric.after is None:
        return "new" if metric.before_text == "" else "gone" if metric.after_text == "" else ""
    if metric.before_text == metric.after_text:
        return "the same"
    if not metric.before:
        return ""
    by = (metric.after - metric.before) / abs(metric.before)
    return f"{by:+.2%}" if abs(by) >= 0.00005 else "less than 0.01 %"


def _tables(one: Checked) -> list[tuple[str, str, str, str]]:
    """Of each table that is written: its name, how its rows change, how many they are, and its schema."""
    found = [
        (
            str(table.table), _change(table), f"{amount(table.rows_before)} → {amount(table.rows_after)}",
            "; ".join(table.schema_changes) or ("new" if table.change == "new" else "the same"),
        )
        for table in one.diffs
    ]  # fmt: skip
    known = {name for name, *_ in found}
    return [*found, *((name, "none", "", "the same") for name in one.tables if name not in known)]


def _all_readers(one: Checked) -> list[tuple[str, str, str]]:
    """Who reads what the pipeline writes: who, which table, when last."""
    pipelines = [(each.pipeline, each.table, f"{each.run}, {each.at:%Y-%m-%d %H:%M} UTC") for each in one.readers]
    people = [
        (
            f"{each.name} ({_VIA.get(each.via, each.via)})",
            each.table,
            f"{plural(each.reads, 'read')}, last {each.at:%Y-%m-%d %H:%M} UTC",
        )
        for each in one.people
    ]
    return [*pipelines, *people]


# -- Markdown ----------------------------------------------------------------------------------------------------------


def markdown(report: Report) -> str:
    """For a pull request."""
    mark = "✅" if report.passes else "❌"
    lines = [f"## {mark} Pilotline: {summary(report)}", ""]
    against = f"Compared with `{report.onto}` at `{report.commit[:8]}`"
    against += f"; pipelines that changed since `{report.base}`." if report.base else "; all pipelines."
    lines.append(against)
    for one in report.pipelines:
        lines += ["", *_pipeline(one)]
    if report.unchanged:
        lines += ["", f"Nothing changed in {', '.join(map(_code, report.unchanged))}."]
    lines += ["", "Rows are shown by `pilotline diff`, to those who may read them."]
    text = "\n".join(lines) + "\n"
    return text if len(text) <= _MOST else text[:_MOST].rpartition("\n")[0] + "\n\n... the rest is in the page\n"


def _pipeline(one: Checked) -> Iterator[str]:
    yield f"### {'✅' if one.passes else '❌'} {_code(one.module)}"
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| tests | {tests_said(one.tests)}{_names(one.tests.names)} |"
    yield f"| proof | {proof_said(one)} |"
    if one.error is not None:
        yield f"| run | {_plain(failure_said(one.error))} ({one.error.code}) |"
    if one.plan is not None:
        yield f"| cost | {_plain(_cost_said(one))} |"
    if one.rules:
        yield f"| checks | {_rules(one)} |"
    if tables := _tables(one):
        yield ""
        yield "| table | change | rows | schema |"
        yield "|---|---|---|---|"
        for name, change, rows, schema in tables:
            yield f"| {_code(name)} | {change} | {rows} | {_plain(schema)} |"
    for table in one.diffs:
        if table.equal:
            yield from _shares(table)
    if one.metrics:
        yield ""
        yield "| number | now | with this change | |"
        yield "|---|---:|---:|---:|"
        for metric in one.metrics:
            now, then = _number(metric.before, metric.before_text), _number(metric.after, metric.after_text)
            yield f"| {_code(metric.name)} | {now} | {then} | {_by(metric)} |"
    if readers := _all_readers(one):
        yield ""
        yield "| read downstream by | table | last |"
        yield "|---|---|---|"
        for who, table, last in readers:
            yield f"| {_code(who)} | {_code(table)} | {last} |"
    if steps := _steps(one):
        yield ""
        yield f"<details><summary>{len(steps)} steps are computed again</summary>"
        yield ""
        for step, why in steps:
            yield f"- {_code(step)}" + (f": {_plain(why)}" if why else "")
        yield ""
        yield "</details>"


def _shares(table: TableDiff) -> Iterator[str]:
    equal = sorted((table.equal or {}).items(), key=lambda item: item[1])
    differing = [(name, share) for name, share in equal if share < 1]
    if not differing:
        return
    yield ""
    yield f"Equal values in rows that are on both sides of {_code(str(table.table))}:"
    yield ""
    yield "| column | equal |"
    yield "|---|---:|"
    for name, share in differing[:_COLUMNS]:
        yield f"| {_code(name)} | {_share(share)} |"
    others = len(equal) - min(len(differing), _COLUMNS)
    if others:
        left = len(differing) - _COLUMNS
        yield f"| {plural(others, 'other')} | {'some less' if left > 0 else '100 %'} |"


def _share(share: float) -> str:
    """Never 100 % where one row differs."""
    return f"{min(share * 100, 99.9999):.4f} %" if share > 0.9999 else f"{share * 100:.2f} %"


def _rules(one: Checked) -> str:
    bad = [rule for rule in one.rules if rule.outcome != "passed"]
    said = [f"{len(one.rules) - len(bad)} passed"]
    said += [f"{_code(rule.table)} {_plain(_rule_said(rule))}: {_outcome_said(rule)}" for rule in bad]
    return "<br>".join(said)


def _names(names: Sequence[str]) -> str:
    # What pytest puts in brackets are a test's parameters: values, maybe.
    said = list(dict.fromkeys(name.partition("[")[0] for name in names))
    return f": {', '.join(map(_code, said[:10]))}" + (", ..." if len(said) > 10 else "") if said else ""


def _code(text: str) -> str:
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"


def _plain(text: str) -> str:
    kept = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return kept.replace("[", "\\[").replace("*", "\\*").replace("_", "\\_")


# -- the page ----------------------------------------------------------------------------------------------------------

_MORE: Final = """
.graph{font:13px ui-sans-serif,system-ui,sans-serif;max-width:100%;height:auto}.graph text{text-anchor:middle;fill:var(--ink)}
.graph .below{font-size:11px;fill:var(--dim)}.graph rect{fill:var(--card);stroke:var(--dim);stroke-width:1.2}
.graph .output rect{stroke:#5b9b74}.graph .computed rect{stroke:var(--new);stroke-width:2}.graph .reused rect{stroke-dasharray:4 3}
.graph .edge{fill:none;stroke:var(--dim);stroke-width:1.4}
.ok{color:#2f8a57}.warn{color:#a8690f}.bad{color:var(--old)}pre{overflow-x:auto;font-size:12.5px;margin:10px 0 0}
h2.pipeline{font-size:21px;margin:22px 0 0}code{font-size:.92em}dl{display:grid;grid-template-columns:110px 1fr;gap:4px 14px;margin:0}
dt{color:var(--dim)}dd{margin:0}td.n{text-align:right}
"""


def page(report: Report) -> str:
    """One HTML file that needs nothing else."""
    title = f"Pilotline: {summary(report)}"
    against = f"compared with {report.onto} at {report.commit[:8]}"
    against += f", pipelines that changed since {report.base}" if report.base else ", all pipelines"
    body = "".join(_section(one) for one in report.pipelines)
    word = "ok" if report.passes else "bad"
    head = (
        f'<h1 class="{word}">{escape(summary(report))}</h1><p>{escape(against)}</p>'
        '<p><b class="old">as it is</b> and <b class="new">with this change</b>; no rows are shown here, '
        "pilotline diff shows them</p>"
    )
    return framed(title, head, body, style=_MORE)


def _section(one: Checked) -> str:
    word, mark = ("ok", "✓") if one.passes else ("bad", "✗")
    facts = [
        ("tests", escape(tests_said(one.tests)) + escape(_plain_names(one.tests.names))),
        ("proof", proof_said(one)),
    ]
    if one.error is not None:
        facts.append(("run", f'<span class="bad">{one.error.code}: {escape(failure_said(one.error))}</span>'))
    if one.plan is not None:
        facts.append(("cost", escape(_cost_said(one))))
    facts += [("check", _rule_shown(rule)) for rule in sorted(one.rules, key=lambda rule: rule.outcome == "passed")]
    parts = [f"<dl>{''.join(f'<dt>{name}</dt><dd>{text}</dd>' for name, text in facts)}</dl>"]
    if tables := _tables(one):
        parts.append("<h3>Tables</h3>" + _grid(("table", "change", "rows", "schema"), tables))
    if one.plan is not None:
        parts.append(f"<h3>Steps; those in blue are computed again in production</h3>{wide(_picture(one))}")
    if steps := _steps(one):
        rows = "".join(f"<tr><td>{escape(step)}</td><td>{escape(why)}</td></tr>" for step, why in steps)
        parts.append(wide(f"<table>{rows}</table>"))
    if one.metrics:
        rows = "".join(
            f'<tr><td>{escape(each.name)}</td><td class="n old">{_number(each.before, each.before_text)}</td>'
            f'<td class="n new">{_number(each.after, each.after_text)}</td><td class="n">{_by(each)}</td></tr>'
            for each in one.metrics
        )
        head = "<tr><th>number</th><th>now</th><th>with this change</th><th></th></tr>"
        parts.append("<h3>Numbers</h3>" + wide(f"<table>{head}{rows}</table>"))
    if readers := _all_readers(one):
        parts.append("<h3>Read downstream by</h3>" + _grid(("who", "table", "last"), readers))
    differing = sections(map(without_rows, one.diffs)) if one.diffs else ""
    return (
        f'<h2 class="pipeline"><span class="{word}">{mark}</span> {escape(one.module)}</h2>'
        f"<section>{''.join(parts)}</section>{differing}"
    )


def _rule_shown(rule: CheckedRule) -> str:
    colour = "ok" if rule.outcome == "passed" else "warn" if rule.severity == "warn" else "bad"
    said = f'<span class="{colour}">{_outcome_said(rule)}</span>'
    return f"{escape(rule.table)}: {escape(_rule_said(rule))} {said}"


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return wide(f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{lines}</table>")


def _plain_names(names: Sequence[str]) -> str:
    said = list(dict.fromkeys(name.partition("[")[0] for name in names))
    return f": {', '.join(said)}" if said else ""


def _picture(one: Checked) -> str:
    from pilotline.run.drawing import graph_of, svg

    if one.plan is None:
        return ""
    below = {
        step.name: ("computed", "computed again") if step.name in one.cost.steps else ("reused", "as it is")
        for step in one.plan.pipeline.steps
    }
    differing = {str(each.table) for each in one.diffs}
    for output in one.plan.pipeline.outputs:
        table = str(one.plan.pipeline.contract.table_of(output.name))
        if table in differing:
            below[f"output {output.name}"] = ("computed", "differs")
    return svg(graph_of(one.plan.pipeline, one.plan.parameters, below), styled=False)
