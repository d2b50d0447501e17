"""Fill the partitions of a pipeline, or show which are filled.

pilotline backfill takings --from 2026-01-01 --to 2026-03-31 --dry-run     which are filled, and which would be ordered
pilotline backfill takings --from 2026-01-01 --to 2026-03-31 --parallel 4  order those that are missing
pilotline backfill takings --value north --value south                     partitions that are no times

The contract names the parameter that says the partition: partition = "day". Workers carry the orders out. Broken off, the
same command goes on with what is still missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.cli.arguments import whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.factory.backfilling import Filled

NAME = "backfill"
HELP = "fill partitions of a pipeline, or show which are filled"


def add_arguments(parser: ArgumentParser) -> None:
    """The pipeline, the range, which of it."""
    parser.add_argument("module", nargs="?", metavar="MODULE", help="name or path; may be left out where there is one")
    parser.add_argument("--from", dest="first", metavar="TIME", help="the first: a year, a month, a day or an hour")
    parser.add_argument("--to", dest="last", metavar="TIME", help="the last, written alike")
    parser.add_argument("--value", action="append", default=[], metavar="TEXT", help="a partition by name; repeatable")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--missing", action="store_true", help="order what is not filled (as by default)")
    which.add_argument("--failed", action="store_true", help="order only what failed")
    which.add_argument("--all", action="store_true", help="order all, also what is filled")
    parser.add_argument("--dry-run", action="store_true", help="order nothing")
    parser.add_argument("--parallel", type=whole(1), default=1, metavar="N", help="so many at once (1)")
    parser.add_argument("--onto", default="main", metavar="BRANCH", help="the branch to publish onto (main)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the picture as a page")


def run(args: Namespace, out: Out) -> int:
    """Look, order, show."""
    from pilotline.domain.numbers import plural
    from pilotline.factory.backfilling import BadRange, as_page, as_text, counted, fill, states_of, values_between
    from pilotline.factory.ledger import Ledger
    from pilotline.factory.releases import Releases
    from pilotline.run.nothing import somebody
    from pilotline.run.opening import lake_of
    from pilotline.run.projects import find_module, project_of
    from pilotline.run.reading import read_contract
    from pilotline.run.records import Records

    module = find_module(args.module, Path.cwd())
    project = project_of(module.parent)
    contract = read_contract(module, project)
    if not contract.partition:
        raise BadRange(
            f"{module.stem} has no partitions: its contract does not say which parameter is one",
            try_next=f'write partition = "day" into {module.stem}.toml, for a parameter day of the pipeline',
        )
    if bool(args.first) != bool(args.last) or not (args.first or args.value) or "" in args.value:
        raise BadRange("what is to be filled? --from and --to, or --value", try_next="pilotline backfill --help")
    values = values_between(args.first, args.last) if args.first else ()
    values = tuple(dict.fromkeys((*values, *args.value)))
    lake = lake_of(project)
    ledger = Ledger(lake.database)
    pipeline = project.name_of(module)

    def look() -> tuple[Filled, ...]:
        return states_of(
            values, pipeline=module.stem, ordered_as=pipeline, ordered_by=frozenset({project.namespace, str(project.folder)}),
            parameter=contract.partition, onto=args.onto, lake=lake,
            records=Records(lake.database, project=project.namespace), ledger=ledger,
        )  # fmt: skip

    found = look()
    wanted = "failed" if args.failed else "all" if args.all else "missing"
    ordered: tuple[tuple[str, int], ...] = ()
    if not args.dry_run:
        known = [one for one, current in Releases(lake.database, lake.storage).list(project.namespace) if current]
        released = known[0].id if known and any(each.name == pipeline for each in known[0].pipelines) else ""
        ordered = fill(
            found, wanted, ledger, pipeline=pipeline, project=project.namespace if released else str(project.folder),
            release=released, onto=args.onto, owner=contract.owner or somebody(), terms=contract.terms,
            parallel=args.parallel,
        )  # fmt: skip
        found = look()
    out.say(as_text(found))
    if args.html:
        out.write(args.html, as_page(pipeline, found))
    if ordered:
        out.say(
            f"  {plural(len(ordered), 'partition')} ordered, {args.parallel} at once; next: pilotline queue, pilotline worker"
        )
    elif args.dry_run:
        out.say("  nothing was ordered, as asked")
    out.document(
        {
            "pipeline": pipeline,
            "partition": contract.partition,
            "counts": counted(found),
            "ordered": [{"value": value, "order": number} for value, number in ordered],
            "partitions": [
                {
                    "value": one.value,
                    "state": one.state,
                    "by": one.by or None,
                    "at": one.at,
                    "because": one.because or None,
                }
                for one in found
            ],
        }
    )
    return 0
