from __future__ import annotations

import pytest

from pilotline.lake.lake import open_lake


@pytest.fixture
def lake(url, tmp_path):
    """A lake in a folder of the test's own, its catalog in either database."""
    made = open_lake(tmp_path, database=url)
    yield made
    made.database.close()
