"""What is away for a moment: a package index, the database when a worker starts."""

from __future__ import annotations

import subprocess
import sys

from pilotline.domain.orders import tries
from pilotline.factory.environments import BuildFailed
from pilotline.factory.fulfilling import _kind


def test_an_environment_that_cannot_be_built_is_tried_three_times():
    assert tries(_kind(BuildFailed("the index does not answer")), 1) == 3


def test_a_worker_that_is_to_end_says_that_there_is_no_database(tmp_path):
    (tmp_path / "pilotline.toml").write_text('[lake]\ndatabase = "postgresql://nobody@127.0.0.1:1/none"\n')
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", "worker", "--once"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "PL241" in done.stderr
    assert "nothing is due" not in done.stdout
