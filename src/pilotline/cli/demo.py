"""Lift, prove, run and publish the notebook of a small shop, offline, in a folder of its own; then look at the result."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.domain.errors import PilotlineError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

NAME = "demo"
HELP = "lift, prove, run and publish a shop's notebook, offline, in seconds"


class DemoStopped(PilotlineError):
    """A command of the demo did not succeed."""

    code = "PL007"


class NoExample(PilotlineError):
    """The example project is not there."""

    code = "PL008"


def add_arguments(parser: ArgumentParser) -> None:
    """Where to play."""
    parser.add_argument(
        "--folder", type=Path, help="play here (a new folder) instead of in a temporary one, and keep it"
    )


def run(args: Namespace, out: Out) -> int:
    """Copy the shop, then call the commands as one would type them."""
    began = time.perf_counter()
    folder: Path = (args.folder or Path(tempfile.mkdtemp(prefix="pilotline-demo-")) / "shop").resolve()
    out.say(f"A coffee shop's orders and an analyst's notebook, explore_v15.ipynb, in {folder}")
    if folder.exists() and any(folder.iterdir()):
        raise DemoStopped(f"{folder} is not empty.", try_next="pilotline demo --folder NEW_FOLDER", folder=folder)
    _lay_out(folder)
    words = [
        ["lift", "explore_v15.ipynb"],
        ["run", "explore"],
        ["run", "explore"],
        ["show", "shop.daily_revenue"],
    ]
    told: list[dict[str, object]] = []
    for one in words:
        out.say()
        out.say(out.styled(f"$ pilotline {' '.join(one)}", "bold"))
        _flush(out)
        seconds = time.perf_counter()
        status = _call(one, folder, out)
        told.append({"command": one, "status": status, "seconds": round(time.perf_counter() - seconds, 2)})
        if status:
            raise DemoStopped(
                f"`pilotline {' '.join(one)}` ended with status {status}.", try_next=f"cd {folder} and try it there"
            )
    out.say()
    out.say(f"{time.perf_counter() - began:.1f} s. Now type:")
    out.say(f"  cd {folder}")
    out.say("  cat explore.py                        # what was lifted")
    out.say("  pilotline run explore --set min_amount=25   # only what reads it is computed again")
    out.say("  pilotline diff main                   # what that changed")
    out.say("  pilotline undo                        # and take it back")
    out.say("  pilotline lift YOUR_NOTEBOOK.ipynb")
    out.document({"folder": str(folder), "seconds": round(time.perf_counter() - began, 2), "commands": told})
    return 0


def _lay_out(folder: Path) -> None:
    """The shop's project and its data, which are made anew."""
    import subprocess

    source = example()
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file():
            shutil.copy(path, folder / path.name)
    subprocess.run([sys.executable, "make_data.py", "data"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def example() -> Path:
    """The folder of the example project: in the package where it is installed, in examples/ in a checkout."""
    here = Path(__file__).parent.parent
    for folder in (here / "examples" / "shop", here.parent.parent / "examples" / "shop"):
        if (folder / "explore_v15.ipynb").is_file():
            return folder
    raise NoExample("The example project is not installed.", try_next="pilotline lift YOUR_NOTEBOOK.ipynb")


def _call(words: list[str], folder: Path, out: Out) -> int:
    """One command, as typed in that folder."""
    import subprocess

    _flush(out)
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", *words],
        cwd=folder, check=False, stdout=out.stderr if out.json else None,
    )  # fmt: skip
    return done.returncode


def _flush(out: Out) -> None:
    out.stdout.flush()
    out.stderr.flush()
