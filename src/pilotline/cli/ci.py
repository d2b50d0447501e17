"""Check a change: tests, proof, plan, and what it would do to the data of production, on a branch that nobody reads.

pilotline ci --base origin/main --markdown pr.md --html pr.html
pilotline ci --write

Exit status 0: tests and checks passed. 1: a test or a check failed, or a pipeline did not run to its end. That data would
change is no failure, unless --fail-on-change says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotline.domain.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.lab.ci import Checked, Report

NAME = "ci"
HELP = "check a change: tests, proof, plan, and what it would do to production's data"


def add_arguments(parser: ArgumentParser) -> None:
    """Which pipelines, against what, and where to write what was found."""
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="only these pipelines; all of the project by default"
    )
    parser.add_argument(
        "--base", default="", metavar="REF", help="only pipelines that changed since this commit of git"
    )
    parser.add_argument("--onto", default="main", metavar="BRANCH", help="the branch that is production (main)")
    parser.add_argument("--python", metavar="PATH", help="the interpreter that tests and steps run in")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write it for a pull request; no rows of data")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page with pictures")
    parser.add_argument("--fail-on-change", action="store_true", help="fail where data would change, too")
    parser.add_argument("--keep", action="store_true", help="keep the branches, to look at with pilotline diff")
    parser.add_argument("--write", action="store_true", help="write the files for CI that fit this project, and stop")
    parser.add_argument(
        "--kind", action="append", choices=["github", "jenkins", "circleci", "docker"], help="with --write; repeatable"
    )
    parser.add_argument("--force", action="store_true", help="with --write: over files that were edited, too")


def run(args: Namespace, out: Out) -> int:
    """Check, and say what was found; or write the files."""
    from pilotline.run.projects import project_of

    folder = project_of(Path.cwd()).folder
    if args.write:
        return _write(folder, args, out)
    if args.kind or args.force:
        raise UsageError("--kind and --force belong to --write", try_next="pilotline ci --write --kind github")
    report = _check(folder, args, out)
    from pilotline.lab.ci_page import markdown, page, summary

    for one in report.pipelines:
        _print(one, out)
    out.say(out.styled(summary(report), "green" if report.passes else "red"))
    for path, text in ((args.markdown, markdown), (args.html, page)):
        if path is not None:
            out.write(path, text(report))
    out.document(_as_json(report))
    return 0 if report.passes and not (args.fail_on_change and report.changes_data) else 1


def _write(folder: Path, args: Namespace, out: Out) -> int:
    from pilotline.lab.ci_files import files_for, write_files

    files = files_for(folder, kinds=args.kind)
    written = write_files(folder, files, force=args.force)
    for path in files:
        out.say(f"{path}  {'written' if path in written else 'is as it should be'}")
    out.say("  next: git add them, and give the CI the secrets that they name")
    out.document({"files": list(files), "written": list(written)})
    return 0


def _check(folder: Path, args: Namespace, out: Out) -> Report:
    from pilotline.lab.ci import Report, check, modules_changed
    from pilotline.run.opening import open_lake_here
    from pilotline.run.projects import every_module, find_module

    modules = tuple(find_module(name, Path.cwd()) for name in args.modules) or every_module(folder)
    if not modules:
        find_module(None, folder)
    taken = modules_changed(folder, modules, args.base) if args.base else modules
    lake, _ = open_lake_here(folder)
    at = lake.resolve(args.onto)
    with out.progress("ci") as progress:
        found = check(
            folder, taken, onto=args.onto, python=args.python, keep=args.keep, pictures=args.html is not None,
            tell=progress.step,
        )  # fmt: skip
    return Report(
        onto=args.onto, commit=at.id, pipelines=found, base=args.base, nothing_there=not lake.tables(at),
        unchanged=tuple(str(module.relative_to(folder)) for module in modules if module not in taken),
    )  # fmt: skip


def _print(one: Checked, out: Out) -> None:
    from pilotline.domain.numbers import amount, plural
    from pilotline.lab.ci_page import proof_said, tests_said

    out.say(out.styled(one.module, "bold") + ("" if one.passes else "  " + out.styled("does not pass", "red")))
    out.say(f"  tests   {tests_said(one.tests)}")
    if one.tests.said:
        for line in one.tests.said.splitlines()[-20:]:
            out.say(out.styled(f"    {line}", "dim"))
    out.say(f"  proof   {proof_said(one)}")
    if one.error is not None:
        out.say(f"  run     {out.styled(one.error.code, 'red')}: {one.error.message}")
        if one.error.try_next:
            out.say(f"          next: {one.error.try_next}")
    for rule in one.rules:
        if rule.outcome != "passed":
            out.say(f"  check   {rule.table}: {rule.name} {rule.outcome} ({rule.severity})")
    for table in one.diffs:
        what = (
            "new"
            if table.change == "new"
            else f"+{amount(table.rows_added)} -{amount(table.rows_removed)} ~{amount(table.rows_changed or 0)}"
        )
        out.say(f"  table   {table.table}  {what}  ({amount(table.rows_before)} → {plural(table.rows_after, 'row')})")
        for change in table.schema_changes:
            out.say(f"          {change}")
    for metric in one.metrics:
        if metric.before_text != metric.after_text:
            out.say(f"  number  {metric.name}  {metric.before_text or '-'} → {metric.after_text or '-'}")
    for reader in one.readers:
        out.say(f"  reader  {reader.pipeline} of {reader.table}, last in {reader.run}")
    for person in one.people:
        out.say(f"  reader  {person.name} of {person.table}, by {person.via}, last {person.at:%Y-%m-%d}")
    if one.branch:
        out.say(f"  next: pilotline diff {one.branch}")


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "passes": report.passes,
        "changes_data": report.changes_data,
        "onto": report.onto,
        "commit": report.commit,
        "base": report.base or None,
        "unchanged": list(report.unchanged),
        "pipelines": [_pipeline_as_json(one) for one in report.pipelines],
    }


def _pipeline_as_json(one: Checked) -> dict[str, Any]:
    return {
        "pipeline": one.name,
        "module": one.module,
        "passes": one.passes,
        "tests": {
            "outcome": one.tests.outcome,
            "passed": one.tests.passed,
            "failed": one.tests.failed,
            "skipped": one.tests.skipped,
            "seconds": round(one.tests.seconds, 3),
            "names": list(one.tests.names),
        },
        "proof": one.proof,
        "error": one.error.as_json() if one.error else None,
        "branch": one.branch or None,
        "tables": [
            {
                "table": str(table.table),
                "change": table.change,
                "rows_before": table.rows_before,
                "rows_after": table.rows_after,
                "rows_added": table.rows_added,
                "rows_removed": table.rows_removed,
                "rows_changed": table.rows_changed,
                "schema_changes": list(table.schema_changes),
                "equal": dict(table.equal) if table.equal else None,
            }
            for table in one.diffs
        ],
        "metrics": [{"name": each.name, "before": each.before, "after": each.after} for each in one.metrics],
        "checks": [
            {"table": each.table, "name": each.name, "severity": each.severity, "outcome": each.outcome,
             "offending": each.offending}
            for each in one.rules
        ],
        "readers": [
            {"table": each.table, "pipeline": each.pipeline, "run": each.run, "at": each.at} for each in one.readers
        ],
        "people": [
            {"table": each.table, "name": each.name, "via": each.via, "reads": each.reads, "at": each.at}
            for each in one.people
        ],
        "cost": {
            "steps": list(one.cost.steps),
            "seconds": round(one.cost.seconds, 3),
            "cpu": round(one.cost.cpu, 3),
            "unknown": list(one.cost.unknown),
        },
        "seconds": round(one.seconds, 3),
    }  # fmt: skip
