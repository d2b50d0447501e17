"""Temporary folders go with the processes that made them, also where those were killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pilotline.lift.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Generator

HOLDING = """
import sys, time
from pilotline.lift.temporary import temporary_folder
with temporary_folder("deploy") as folder:
    (folder / "file").write_text("what is deployed")
    print(folder.name, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder(top: Path) -> Generator[tuple[subprocess.Popen[str], Path]]:
    with subprocess.Popen([sys.executable, "-c", HOLDING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, top / process.stdout.readline().strip()
        process.kill()


def test_what_a_killed_process_left_is_removed_by_the_next_one_and_what_a_living_one_holds_is_not(top, holder):
    process, folder = holder
    with temporary_folder("deploy") as own:
        assert {each.name for each in top.iterdir()} == {folder.name, own.name}
        assert (folder / "file").read_text() == "what is deployed"
    assert [each.name for each in top.iterdir()] == [folder.name]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "file").exists()
    with temporary_folder("other"):
        assert folder.exists()
    with temporary_folder("deploy") as own:
        assert [each.name for each in top.iterdir()] == [own.name]
    assert list(top.iterdir()) == []


def test_a_link_that_somebody_put_there_leads_to_nothing_that_is_removed(top):
    (top / "mine").mkdir()
    (top / "mine" / "file").write_text("of mine")
    (top / "pilotline-deploy-link").symlink_to(top / "mine")
    (top / "pilotline-deploy-file").write_text("no folder")
    with temporary_folder("deploy"):
        pass
    assert (top / "mine" / "file").read_text() == "of mine"
    assert sorted(each.name for each in top.iterdir()) == ["mine", "pilotline-deploy-file", "pilotline-deploy-link"]


def test_a_folder_that_another_process_removed_before_it_was_held_is_made_again(top, monkeypatch):
    made, make = [], tempfile.mkdtemp

    def removed_at_first(**words: str) -> str:
        made.append(make(**words))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", removed_at_first)
    with temporary_folder("deploy") as own:
        assert [str(each) for each in top.iterdir()] == [str(own)] == made[1:]
