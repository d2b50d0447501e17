"""A catalog of the first schema is brought to the last one with all that it holds, and back again."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pilotline.domain.access import Scope
from pilotline.domain.tables import Append, Replace, SetComment, TableName
from pilotline.lake import ledger
from pilotline.lake.database import SqliteDatabase
from pilotline.lake.errors import LakeTooNew
from pilotline.lake.lake import Lake
from pilotline.lake.postgres import PostgresDatabase

OWNER = Scope.everything("the owner")
ORDERS = TableName("sales", "orders")


@pytest.fixture(params=["sqlite", "postgres"])
def again(request, tmp_path):
    """Opens the same lake afresh, with or without the later migrations."""
    url = request.getfixturevalue("postgres").database() if request.param == "postgres" else None
    opened = []

    def database(versions):
        made = PostgresDatabase(url) if url else SqliteDatabase(tmp_path / "catalog.sqlite")
        made.register("lake", ledger.MIGRATIONS[:versions])
        opened.append(made)
        return made

    def lake():
        return Lake(tmp_path, author="somebody", database=database(len(ledger.MIGRATIONS)))

    yield lake, database
    for one in opened:
        one.close()


#: What the first schema's own code wrote: a branch, its commit, and the pointer of a table that was published.
FIRST = (
    (
        "INSERT INTO branch (name, parent_id, base_seq, head_seq, state, owner, opened)"
        " VALUES ('mine', 1, 0, 1, 'published', 'ann', '2026-01-01T00:00:00.000000+00:00')"
    ),
    "UPDATE branch SET head_seq = 1 WHERE id = 1",
    (
        "INSERT INTO commit_log (id, branch_id, seq, parent, at, author, kind, message)"
        " SELECT 'aaaaaaaaaaaa', 1, 1, id, '2026-01-01T00:00:00.000000+00:00', 'ann', 'publish', 'first' FROM commit_log"
    ),
    (
        "INSERT INTO pointer (branch_id, namespace, name, from_seq, metadata_location, snapshot, operation, row_count, columns)"
        " VALUES (1, 'sales', 'orders', 1, 'tables/x.json', '7', 'replace', 3, '[[\"id\", \"long\", true]]')"
    ),
)


def test_what_the_first_schema_holds_is_read_with_the_last_one(again):
    lake, database = again
    first = database(1)
    with first.writing() as tx:
        for statement in FIRST:
            tx.execute(statement)
    first.close()
    (info,) = lake().tables("main")
    assert (info.table, info.rows, info.comment, info.columns[0].name) == (ORDERS, 3, "", "id")
    assert [commit.message for commit in lake().log()] == ["first", "an empty lake"]


def test_a_catalog_goes_back_to_each_earlier_schema_and_forward_again(again):
    lake, database = again
    made = lake()
    made.create_branch("mine")
    made.write("mine", ORDERS, pa.table({"id": [1, 2]}), Replace())
    made.alter("mine", ORDERS, [SetComment(text="sold")])
    made.publish("mine", require_checked=False)
    for version in range(len(ledger.MIGRATIONS) - 1, 0, -1):
        made.database.step_back("lake", version)
        made.database.close()
        old = database(version)
        with old.reading() as tx:
            assert tx.execute("SELECT version FROM schema_version WHERE component = 'lake'") == [(version,)]
            assert tx.execute("SELECT count(*) FROM pointer WHERE branch_id = 1 AND to_seq IS NULL") == [(1,)]
        old.close()
    forward = lake()
    assert forward.scan(ORDERS, OWNER, "main").read_all().column("id").to_pylist() == [1, 2]
    forward.create_branch("more")
    forward.write("more", ORDERS, pa.table({"id": [3]}), Append())
    # What was said stands in the table's own files, and is seen again with the next write.
    assert forward.table(ORDERS, "more").comment == "sold"


def test_there_is_no_way_back_before_the_first_schema(again):
    lake, _ = again
    made = lake()
    made.tables("main")
    with pytest.raises(LakeTooNew, match="no way back to 0"):
        made.database.step_back("lake", 0)
    assert made.tables("main") == ()


def test_a_component_that_is_registered_within_a_transaction_has_its_tables_from_the_next_one_on(again, tmp_path):
    _, database = again
    made = database(len(ledger.MIGRATIONS))
    (tmp_path / "more.sql").write_text("CREATE TABLE more (n INTEGER);\n")
    with made.reading() as tx:
        made.register("more", (tmp_path / "more.sql",))
        with made.reading() as inner:
            assert inner.execute("SELECT count(*) FROM branch") == tx.execute("SELECT count(*) FROM branch")
    with made.reading() as tx:
        assert tx.execute("SELECT count(*) FROM more") == [(0,)]
