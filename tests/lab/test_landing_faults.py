"""Killed at any moment, or done by two at once, a landing and a deploy leave nothing that the next try does not put right."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pilotline.factory.environments import find_uv
from pilotline.factory.releases import Releases
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOTEBOOK = """\
# %%
import iniconfig

# %%
prices = [2.5, 4.0, 1.5]
total = sum(price for price in prices if price > 2) + len(iniconfig.IniConfig.__name__)

# %%
total
"""
HAND = '''"""By hand: {n}."""

from helpers.größe import ONE


def one() -> int:
    return ONE + {n}


def pipeline():
    number = one()
    return {{"number": number}}
'''


class Shop:
    """A repository in whose subfolder somebody works, with changes of all kinds that nobody else may touch."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "mono repo"
        self.folder = self.root / "teams" / "Größe & Söhne"
        self.folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Zoë Ångström")
        self.git("config", "user.email", "zoe@example.org")
        (self.root / "README").write_text("ours\n")
        (self.root / ".gitignore").write_text(".pilotline/\n__pycache__/\n")
        (self.folder / "pilotline.toml").write_text('namespace = "shop"\n')
        self.git("add", "--all")
        self.git("commit", "-qm", "first")

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def unsettle(self) -> None:
        """A stash, a staged change and one that is not."""
        (self.root / "README").write_text("stashed\n")
        self.git("stash", "-q")
        (self.root / "README").write_text("staged\n")
        self.git("add", "README")
        (self.root / "README").write_text("written\n")

    def theirs(self) -> tuple[str, ...]:
        """All of the user's that must stay as it is."""
        index = self.git("ls-files", "--stage")
        return (
            self.git("rev-parse", "HEAD"), self.git("symbolic-ref", "HEAD"), index, self.git("stash", "list"),
            (self.root / "README").read_text(), self.git("rev-parse", "main"),
        )  # fmt: skip

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "pilotline", *words, "--json"], cwd=self.folder, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def call(self, *words: str) -> dict:
        return answer(self.start(*words))


def answer(process: subprocess.Popen) -> dict:
    out, said = process.communicate(timeout=240)
    assert process.returncode == 0, out + said
    return json.loads(out)


def killed(start: Callable[[], subprocess.Popen], seconds: float, *, alone: bool) -> bool:
    """Kill what was started after a while, with all that it started or without; whether it was still going on."""
    process = start()
    time.sleep(seconds)
    going = process.poll() is None
    if alone:
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL) if going else None
    process.communicate()
    return going


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Shop:
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(tmp_path / "environments"))
    return Shop(tmp_path)


def test_a_landing_that_is_killed_at_any_moment_is_put_right_by_the_next(shop, tmp_path, monkeypatch):
    env = tmp_path / "analyst"
    subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, str(env)], check=True)
    python = env / "bin" / "python"
    subprocess.run([find_uv(), "pip", "install", "-q", "--python", python, "iniconfig==1.1.1"], check=True)
    (shop.folder / "entdeckungen süß.py").write_text(NOTEBOOK)
    shop.call("lift", "entdeckungen süß.py", "--want", "total", "--name", "summe", "--python", str(python))
    shop.unsettle()
    before = shop.theirs()
    words = ("land", "summe", "--owner", "Zoë", "--schedule", "0 6 * * *")
    # How long it takes is found out in another folder of environments, or nothing would be left to build.
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(tmp_path / "first"))
    began = time.monotonic()
    commit = shop.call(*words)["commit"]
    whole = time.monotonic() - began
    tree = shop.git("rev-parse", f"{commit}^{{tree}}")
    contract = (shop.folder / "summe.toml").read_bytes()
    shop.git("branch", "-qD", "land/summe")
    for name in ("summe.lock", "summe.proof.json"):
        (shop.folder / name).unlink()
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(tmp_path / "environments"))
    chance = random.Random(5)
    going = 0
    for step in range(8):
        moment = whole * (step + chance.random()) / 8
        going += killed(lambda: shop.start(*words), moment, alone=step % 3 == 2)
        assert shop.theirs() == before
        if tip := shop.git("for-each-ref", "--format=%(objectname)", "refs/heads/land/"):
            assert shop.git("rev-parse", f"{tip}^{{tree}}") == tree
    assert going >= 4
    landed = shop.call(*words)
    assert shop.git("rev-parse", f"{landed['commit']}^{{tree}}") == tree
    assert shop.theirs() == before
    assert (shop.folder / "summe.toml").read_bytes() == contract
    assert {"summe.lock", "summe.proof.json"} <= {path.name for path in shop.folder.iterdir()}
    assert not [path for path in shop.root.rglob("*.tmp") if ".pilotline" not in path.parts]
    assert shop.git("fsck", "--no-dangling", "--no-progress") == ""
    inside = "teams/Größe & Söhne"
    names = shop.git("-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", "land/summe").splitlines()
    assert {f"{inside}/summe.py", f"{inside}/summe.toml", f"{inside}/summe.lock", f"{inside}/test_summe.py"} <= set(
        names
    )


def by_hand(shop: Shop, n: int) -> None:
    (shop.folder / "helpers").mkdir(exist_ok=True)
    (shop.folder / "helpers" / "größe.py").write_text("ONE = 1\n")
    (shop.folder / "hand.py").write_text(HAND.format(n=n))
    (shop.folder / "test_hand.py").write_text(f"import hand\n\n\ndef test_one():\n    assert hand.one() == {n + 1}\n")


def test_two_who_land_at_once_both_get_there(shop):
    by_hand(shop, 1)
    (shop.folder / "other.py").write_text((shop.folder / "hand.py").read_text())
    (shop.folder / "test_other.py").write_text("import other\n\n\ndef test_one():\n    assert other.one() == 2\n")
    shop.unsettle()
    before = shop.theirs()
    started = [shop.start("land", name, "--owner", "ann") for name in ("hand", "hand", "other")]
    landed = [answer(each) for each in started]
    assert len({each["commit"] for each in landed[:2]}) == 1
    assert sorted(each["new"] for each in landed[:2]) == [False, True]
    assert shop.git("rev-parse", "land/other") == landed[2]["commit"]
    assert shop.theirs() == before
    assert shop.call("land", "hand")["new"] is False


@pytest.fixture
def landed(shop, lies) -> list[str]:
    """Three commits, each of which builds on the one before, with other schedules."""
    commits = []
    for n in (1, 2, 3):
        by_hand(shop, n)
        shop.call("land", "hand", "--every", f"{n}h")
        shop.git("add", "--all")
        shop.git("commit", "-qm", f"number {n}")
        commits.append(shop.git("rev-parse", "HEAD"))
    return commits


def known(shop: Shop) -> tuple[dict[str, str], str, list[str]]:
    """The releases that the factory knows, the commit of the current one, and what is scheduled."""
    lake, _ = open_lake_here(shop.folder)
    releases = Releases(lake.database, lake.storage)
    listed = releases.list()
    current = [release.commit for release, is_current in listed if is_current]
    with lake.database.reading() as tx:
        timings = [str(row[0]) for row in tx.execute("SELECT timing FROM schedule")]
    assert len(current) == 1
    places = shop.folder / ".pilotline" / "checked"
    for release, _ in listed:
        assert (releases.unpack(release, places) / "hand.py").is_file()
    return {release.commit: release.id for release, _ in listed}, current[0], timings


def test_deploys_of_one_commit_at_once_make_one_release(shop, landed):
    deployed = [answer(each) for each in [shop.start("deploy") for _ in range(4)]]
    assert sorted(each["new"] for each in deployed) == [False, False, False, True]
    assert all(each["current"] for each in deployed)
    releases, current, timings = known(shop)
    assert (releases, current) == ({landed[2]: deployed[0]["release"]}, landed[2])
    assert len(timings) == 1
    assert "3h" in timings[0] or "10800" in timings[0]


def test_of_deploys_at_once_the_commit_that_builds_on_the_others_is_what_runs(shop, landed):
    for attempt in range(2):
        started = [shop.start("deploy", "--commit", commit) for commit in (landed if attempt else reversed(landed))]
        for each in started:
            answer(each)
        releases, current, timings = known(shop)
        assert (set(releases), current) == (set(landed), landed[2])
        assert len(timings) == 1
        assert "3h" in timings[0] or "10800" in timings[0]
    # One that comes late does not take the factory back, and says how somebody can.
    late = shop.call("deploy", "--commit", landed[0])
    assert (late["current"], known(shop)[1]) == (False, landed[2])
    shop.call("releases", "--use", late["release"])
    assert known(shop)[1] == landed[0]


def test_a_deploy_that_is_killed_at_any_moment_is_put_right_by_the_next(shop, landed):
    shop.call("deploy", "--commit", landed[0])
    began = time.monotonic()
    shop.call("deploy", "--commit", landed[0])
    whole = time.monotonic() - began
    chance = random.Random(5)
    going = 0
    for step in range(8):
        going += killed(
            lambda: shop.start("deploy", "--commit", landed[1]), whole * (step + chance.random()) / 8, alone=False
        )
        releases, current, timings = known(shop)
        assert current in landed[:2]
        assert len(timings) == 1
        assert ("2h" in timings[0] or "7200" in timings[0]) == (current == landed[1])
        assert (landed[1] in releases) == (current == landed[1])
    assert going >= 4
    assert shop.call("deploy")["current"]
    assert known(shop)[1] == landed[2]
