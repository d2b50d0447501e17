"""The commands there are: name, module, one line of help, needing no import of any of them.

A command is one module with

- ``add_arguments(parser)``: its arguments, on an ``argparse.ArgumentParser`` that already knows ``--json``;
- ``run(args, out) -> int``: do it, present it through ``out`` (see ``terminal``), return the exit status.

Its ``NAME`` and ``HELP`` repeat what stands here; a test holds them together.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from pilotline.cli.errors import UnknownCommand

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out


class Command(NamedTuple):
    """One command; its module is imported when it is called."""

    name: str
    module: str
    help: str

    def load(self) -> CommandModule:
        """Import the command's module."""
        return cast("CommandModule", import_module(self.module))


class CommandModule(Protocol):
    """What every module of a command has."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the command's own arguments; ``--json`` is there already."""
        ...

    def run(self, args: Namespace, out: Out) -> int:
        """Carry the command out and return its exit status.

        Raises:
            PilotlineError: what the user can put right; it is printed with its code and the next command.
        """
        ...


#: In the order in which one meets them.
COMMANDS: tuple[Command, ...] = (
    Command("demo", "pilotline.cli.demo", "lift, prove, run and publish a shop's notebook, offline, in seconds"),
    Command("init", "pilotline.cli.init", "make this folder a project (lift and run do without it)"),
    Command("lift", "pilotline.cli.lift", "take what is useful out of a notebook and prove that it computes the same"),
    Command("plan", "pilotline.cli.plan", "show what a run would do, and why, without doing it"),
    Command("run", "pilotline.cli.run", "run a pipeline on a branch of its own, check it, publish it"),
    Command(
        "land",
        "pilotline.cli.land",
        "commit a proven pipeline with its lock, tests, schedule and CI, on a branch of git",
    ),
    Command("ci", "pilotline.cli.ci", "check a change: tests, proof, plan, and what it would do to production's data"),
    Command("deploy", "pilotline.cli.deploy", "make a release of a commit, for the factory to run"),
    Command("releases", "pilotline.cli.releases", "list what was deployed, or go back to an earlier release"),
    Command("factory", "pilotline.cli.factory", "run what is scheduled and queued, day and night, in one command"),
    Command("schedule", "pilotline.cli.schedule", "list, set, pause and resume when pipelines run"),
    Command("backfill", "pilotline.cli.backfill", "fill partitions of a pipeline, or show which are filled"),
    Command("submit", "pilotline.cli.submit", "queue a pipeline for the workers"),
    Command("queue", "pilotline.cli.queue", "list what the workers are to do, are doing, and did"),
    Command("cancel", "pilotline.cli.cancel", "cancel what is queued or running"),
    Command("limit", "pilotline.cli.limit", "say how many orders may run at once"),
    Command("worker", "pilotline.cli.worker", "carry out what is queued, until it is stopped"),
    Command("ls", "pilotline.cli.ls", "list the tables of a branch"),
    Command("show", "pilotline.cli.show", "show a table: its columns, first rows, where it came from"),
    Command("log", "pilotline.cli.log", "list what was published, by whom, when"),
    Command("logs", "pilotline.cli.logs", "show what a run printed and what happened in it, live if it still runs"),
    Command("lineage", "pilotline.cli.lineage", "show what a table or column was made of, and what is made of it"),
    Command("usage", "pilotline.cli.usage", "show what each table costs to make, and who still reads it"),
    Command("diff", "pilotline.cli.diff", "compare two branches or commits, table by table, row by row"),
    Command("undo", "pilotline.cli.undo", "publish the state before a publish, for all of its tables at once"),
    Command("branch", "pilotline.cli.branch", "list, make or delete branches"),
    Command("tag", "pilotline.cli.tag", "give a state of all tables a name that stays"),
    Command("table", "pilotline.cli.table", "rename, drop, describe, lay out, delete from or compact a table"),
    Command("namespace", "pilotline.cli.namespace", "list namespaces, or say what one is for and who owns it"),
    Command(
        "lake",
        "pilotline.cli.lake",
        "look whether all files are there; remove what nothing needs; see or step back its schema",
    ),
    Command("sql", "pilotline.cli.sql", "ask the tables of a branch a question in SQL"),
    Command("serve", "pilotline.cli.serve", "serve the tables to DuckDB, Polars, Spark and others, for reading"),
    Command("alerts", "pilotline.cli.alerts", "show what failed or is late, and tell its owners"),
    Command("explain", "pilotline.cli.explain", "print what an error code means and what to do"),
)


def find(name: str) -> Command:
    """The command of this name.

    Raises:
        UnknownCommand: there is none; near names are in the message.
    """
    for command in COMMANDS:
        if command.name == name:
            return command
    raise UnknownCommand(name, [command.name for command in COMMANDS])
