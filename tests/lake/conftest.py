from __future__ import annotations

import pytest

from pilotline.lake.lake import open_lake
from pilotline.lake.storage import s3_place


@pytest.fixture(params=["folder", "bucket"])
def lake(request, tmp_path):
    """A lake with a branch of one's own, its tables in a folder or in S3."""
    tables = s3_place(request.getfixturevalue("bucket")) if request.param == "bucket" else None
    made = open_lake(tmp_path, author="somebody", tables=tables)
    made.create_branch("mine")
    return made
