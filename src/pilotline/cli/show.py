"""Show a table: its first rows, its columns, and where it came from.

With --arrow FILE the whole table is written as an Arrow file instead, which any library reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotline.cli.arguments import whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

    from pilotline.cli.terminal import Out
    from pilotline.domain.tables import Commit, TableInfo
    from pilotline.lake.lake import Lake
    from pilotline.run.records import Records

NAME = "show"
HELP = "show a table: its columns, first rows, where it came from"


def add_arguments(parser: ArgumentParser) -> None:
    """The table, its state, how much of it."""
    parser.add_argument("table", metavar="TABLE", help="namespace.table, or table alone where one namespace has it")
    parser.add_argument("--rows", type=whole(), default=10, metavar="N", help="so many rows (10)")
    parser.add_argument("--branch", metavar="NAME", help="of this branch (main)")
    parser.add_argument("--at", metavar="COMMIT", help="at a commit, a tag or a time, such as main~2 or 2026-11-24")
    parser.add_argument(
        "--since", metavar="COMMIT", help="what came to it and what went after a commit, a tag or a time"
    )
    parser.add_argument("--column", action="append", metavar="NAME", help="only this column; repeatable")
    parser.add_argument("--arrow", type=Path, metavar="FILE", help="write the whole table to an Arrow file")
    parser.add_argument("--dump", type=Path, metavar="FILE", help="the same for readers without pyarrow")


def run(args: Namespace, out: Out) -> int:
    """Look the table up, and print it."""
    from pilotline.cli.lakes import find_table, open_here, ref_of
    from pilotline.run.nothing import somebody
    from pilotline.run.usage import Usage

    lake, records = open_here()
    commit = lake.resolve(ref_of(args.branch, args.at))
    info = find_table(lake, args.table, commit)
    whole = bool(args.arrow or args.dump)
    Usage(lake.database).count(str(info.table), somebody(), "read" if whole else "show", args.column or ())
    if whole:
        return _write(lake, commit, info, args, out)
    if args.since:
        return _changes(lake, commit, info, args, out)
    rows, columns = _first_rows(lake, commit, info, max(args.rows, 0), args.column)
    _print(info, commit, rows, columns, _origin(records, info), out)
    from pilotline.cli.lakes import rows_as_json

    out.document(
        {
            "table": str(info.table),
            "branch": commit.branch,
            "at": commit.id,
            "rows": info.rows,
            "snapshot": info.snapshot,
            "comment": info.comment,
            "owner": info.owner,
            "columns": [
                {
                    "name": each.name,
                    "type": each.type,
                    "nullable": each.nullable,
                    "comment": each.comment,
                    "owner": each.owner,
                }
                for each in info.columns
            ],
            "changed": {"commit": info.commit, "author": info.author, "at": info.at},
            "made_by": _origin(records, info),
            "first": rows_as_json(rows),
        }
    )
    return 0


def _changes(lake: Lake, commit: Commit, info: TableInfo, args: Namespace, out: Out) -> int:
    """What came and what went; a row that changed is in both."""
    from pilotline.cli.lakes import WHOLE, rows_as_json, shown
    from pilotline.domain.numbers import plural
    from pilotline.lake.changing import changes

    found = changes(lake, info.table, WHOLE, args.since, commit, columns=args.column)
    since, told = found.since.id[:8], {}
    for word, reader in (("came", found.added), ("went", found.removed)):
        rows: list[dict[str, Any]] = []
        count = 0
        for batch in reader or ():
            rows += batch.slice(0, max(args.rows, 0) - len(rows)).to_pylist()
            count += batch.num_rows
        if reader is not None:
            out.say(f"{plural(count, 'row')} of {info.table} {word} since {since}")
        if rows and reader is not None:
            names = list(reader.schema.names)
            out.table(names, [[shown(row[name]) for name in names] for row in rows])
        told[word] = {"rows": count, "first": rows_as_json(rows)}
    out.document({"table": str(info.table), "since": found.since.id, "at": commit.id, **told})
    return 0


def _first_rows(
    lake: Lake, commit: Commit, info: TableInfo, count: int, only: list[str] | None
) -> tuple[list[dict[str, Any]], list[str]]:
    from pilotline.cli.lakes import WHOLE

    reader = lake.scan(info.table, WHOLE, commit, columns=only)
    rows: list[dict[str, Any]] = []
    for batch in reader:
        rows += batch.slice(0, count - len(rows)).to_pylist()
        if len(rows) >= count:
            break
    return rows, list(reader.schema.names)


def _origin(records: Records, info: TableInfo) -> dict[str, Any] | None:
    """The run that made the table what it is, and what that run read."""
    made = records.run_of(info.commit)
    if made is None:
        return None
    read = [
        {"kind": kind, "name": name, "state": state}
        for direction, kind, name, state, _, _ in records.rows_of("lineage", made.number)
        if direction == "in"
    ]
    return {"run": made.name, "pipeline": made.pipeline, "parameters": dict(made.parameters), "read": read}


def _print(
    info: TableInfo,
    commit: Commit,
    rows: list[dict[str, Any]],
    columns: list[str],
    origin: dict[str, Any] | None,
    out: Out,
) -> None:
    from pilotline.cli.lakes import age, shown
    from pilotline.domain.numbers import plural

    counts = f"{plural(info.rows, 'row')}, {plural(len(info.columns), 'column')}"
    out.say(f"{out.styled(str(info.table), 'bold')}  {counts}, on {commit.branch} at {commit.id[:8]}")
    by = f"{origin['run']} of {origin['pipeline']}" if origin else info.author or "nobody"
    out.say(f"changed {age(info.at)} by {by} in commit {info.commit[:8]}")
    if origin and origin["read"]:
        out.say("made from " + ", ".join(each["name"] for each in origin["read"]))
    if info.comment:
        out.say(info.comment)
    if info.owner:
        out.say(f"ask {info.owner}")
    out.say()
    known = {each.name: each for each in info.columns}
    if rows:
        out.table(columns, [[shown(row[name]) for name in columns] for row in rows])
        left = info.rows - len(rows)
        if left > 0:
            out.say(out.styled(f"... {plural(left, 'more row')}", "dim"))
        out.say()
    wide = max((len(name) for name in columns), default=0)
    for name in columns:
        column = known[name]
        said = "  ".join(part for part in (column.comment, f"(ask {column.owner})" if column.owner else "") if part)
        out.say(f"  {name:<{wide}}  {out.styled(column.type, 'cyan')}{f'  {said}' if said else ''}")


def _write(lake: Lake, commit: Commit, info: TableInfo, args: Namespace, out: Out) -> int:
    """The whole table as a file; what it was as a frame is said beside it, and in an Arrow file's own metadata."""
    from pilotline.cli.lakes import WHOLE
    from pilotline.domain.numbers import plural
    from pilotline.lake.changing import came

    if args.since:
        reader = came(lake, info.table, WHOLE, args.since, commit, columns=args.column)
    else:
        reader = lake.scan(info.table, WHOLE, commit, columns=args.column)
    notes = lake.frame_notes(info.table, commit)
    path: Path = args.arrow or args.dump
    half = path.with_name(f".{path.name}.half")
    if args.arrow:
        _write_arrow(reader, notes, half)
    else:
        from pilotline.guest.dumping import dump
        from pilotline.lake.frames.restore import to_pandas

        dump(to_pandas(reader.read_all(), notes), str(half))
    half.replace(path)
    out.say(f"{info.table} written to {path}: {plural(info.rows, 'row')}")
    told = dict(notes) if notes is not None else None
    out.document({"table": str(info.table), "at": commit.id, "rows": info.rows, "file": str(path), "notes": told})
    return 0


def _write_arrow(reader: Any, notes: Mapping[str, Any] | None, path: Path) -> None:
    import json

    import pyarrow as pa

    schema = reader.schema
    if notes is not None:
        schema = schema.with_metadata({**(schema.metadata or {}), b"pilotline": json.dumps(dict(notes)).encode()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in reader:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
