"""Pipelines that are fed by what came to a table since their last publish, wherever the catalog and the tables are."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from pilotline.domain.errors import PilotlineError
from pilotline.domain.plans import Unchanged
from pilotline.domain.tables import Append, MergeOn, Replace, TableName
from pilotline.run.carrying import carry_out
from pilotline.run.opening import open_lake_here
from pilotline.run.planning import WHOLE, Asked, plan

if TYPE_CHECKING:
    from tests.run.conftest import Project

#: All of this holds wherever the catalog and the tables are.
pytestmark = pytest.mark.usefixtures("lies")

MODULE = """
    '''Amounts, doubled as they come.'''
    import pandas as pd
    import pilotline


    def came(orders: str) -> pd.DataFrame:
        return pilotline.read(orders)


    def doubled(orders: pd.DataFrame) -> pd.DataFrame:
        return orders.assign(amount=orders["amount"] * 2)


    def pipeline(*, orders: str = "sales.orders"):
        new = came(orders)
        twice = doubled(new)
        count = len(new)
        return {"twice": twice}
""".replace("        count = len(new)\n", "")
CONTRACT = 'changes = ["orders"]\n[tables.twice]\nmode = "append"\n'
ORDERS = TableName("sales", "orders")


@pytest.fixture
def fed(project: Project) -> Project:
    project.write("explore.py", MODULE)
    project.write("explore.toml", CONTRACT)
    return project


def arrive(project: Project, *ids: int, mode=None, amount: int = 10) -> str:
    """Publish orders onto main; the commit."""
    lake, _ = open_lake_here(project.folder)
    rows = pa.table({"id": pa.array(ids, pa.int64()), "amount": pa.array([each * amount for each in ids], pa.int64())})
    names = [each.name for each in lake.branches(every=True)]
    branch = f"in-{len(names)}"
    lake.create_branch(branch)
    lake.write(branch, ORDERS, rows, mode or Append())
    lake.mark_checked(branch, lake.branch(branch).head)
    return lake.publish(branch, "main").commit.id


def twice(project: Project) -> list[tuple[int, int]]:
    lake, _ = open_lake_here(project.folder)
    rows = lake.scan(TableName("shop", "twice"), WHOLE, "main").read_all().to_pylist()
    return sorted((row["id"], row["amount"]) for row in rows)


def refused(project: Project, **asked) -> PilotlineError:
    with pytest.raises(PilotlineError) as caught:
        project.run(**asked)
    return caught.value


def test_each_row_is_taken_once_and_without_new_ones_there_is_nothing_to_do(fed: Project):
    arrive(fed, 1, 2)
    fed.run()
    assert twice(fed) == [(1, 20), (2, 40)]
    made = fed.plan()
    assert isinstance(made.nothing, Unchanged)
    assert fed.run().because == "run-1 took all that there is of sales.orders"
    arrive(fed, 3)
    arrive(fed, 4)
    outcome = fed.run()
    assert twice(fed) == [(1, 20), (2, 40), (3, 60), (4, 80)]
    assert [one.rows for one in outcome.made] == [2]
    assert fed.run().state == "unchanged"


def test_runs_of_one_process_leave_nothing_open(fed: Project):
    arrive(fed, 1)
    fed.run()
    opened = []
    for number in (2, 3):
        arrive(fed, number)
        fed.run()
        assert not [each for each in threading.enumerate() if each.name == "pilotline-read"]
        gc.collect()
        opened.append(len(list(Path("/dev/fd").iterdir())))
    assert opened[1] <= opened[0]


def test_other_code_makes_only_what_comes_from_then_on(fed: Project):
    arrive(fed, 1)
    fed.run()
    fed.replace("explore.py", "* 2", "* 3")
    assert fed.run().state == "unchanged"
    arrive(fed, 2)
    fed.run()
    assert twice(fed) == [(1, 20), (2, 60)]


def test_fresh_makes_the_table_anew_from_all_rows(fed: Project):
    arrive(fed, 1)
    fed.run()
    arrive(fed, 2)
    fed.replace("explore.py", "* 2", "* 3")
    fed.run(fresh=True)
    assert twice(fed) == [(1, 30), (2, 60)]
    arrive(fed, 3)
    fed.run()
    assert twice(fed) == [(1, 30), (2, 60), (3, 90)]


def test_fresh_does_not_lose_what_another_pipeline_wrote_to_the_table(fed: Project):
    arrive(fed, 1)
    fed.run()
    fed.write("other.py", MODULE)
    fed.write("other.toml", CONTRACT)
    fed.run("other")
    assert twice(fed) == [(1, 20), (1, 20)]
    error = refused(fed, fresh=True)
    assert error.code == "PL340"
    assert "what other wrote" in error.message
    assert twice(fed) == [(1, 20), (1, 20)]


@pytest.mark.parametrize(
    "change",
    [
        lambda project: arrive(project, 1, 3, mode=MergeOn(keys=("id",)), amount=7),
        lambda project: arrive(project, 2, 3, mode=Replace()),
    ],
    ids=["changed", "removed"],
)
def test_rows_that_went_or_changed_are_refused_until_all_is_made_anew(fed: Project, change):
    arrive(fed, 1, 2)
    fed.run()
    change(fed)
    error = refused(fed)
    assert error.code == "PL341"
    assert "1 row of sales.orders went or changed since run-1" in error.message
    assert twice(fed) == [(1, 20), (2, 40)]
    fed.run(fresh=True)
    lake, _ = open_lake_here(fed.folder)
    now = lake.scan(ORDERS, WHOLE, "main").read_all().to_pylist()
    assert twice(fed) == sorted((row["id"], row["amount"] * 2) for row in now)
    assert fed.run().state == "unchanged"


def test_a_refusal_holds_whatever_the_users_code_makes_of_it(fed: Project):
    arrive(fed, 1)
    fed.run()
    arrive(fed, 2, mode=Replace())
    fed.replace(
        "explore.py",
        "    return pilotline.read(orders)",
        "    try:\n        return pilotline.read(orders)\n    except Exception:\n        return pd.DataFrame({'id': [0], 'amount': [0]})",
    )
    assert refused(fed).code == "PL341"
    assert twice(fed) == [(1, 20)]


def test_rows_that_only_moved_to_other_files_are_not_taken_again(fed: Project):
    arrive(fed, 1)
    arrive(fed, 2)
    fed.run()
    lake, _ = open_lake_here(fed.folder)
    lake.create_branch("compact")
    lake.compact("compact", ORDERS)
    lake.mark_checked("compact", lake.branch("compact").head)
    lake.publish("compact", "main")
    assert fed.run().state == "unchanged"
    arrive(fed, 3)
    fed.run()
    assert twice(fed) == [(1, 20), (2, 40), (3, 60)]


def test_an_undone_publish_gives_its_rows_back(fed: Project):
    arrive(fed, 1)
    fed.run()
    arrive(fed, 2)
    second = fed.run()
    lake, _ = open_lake_here(fed.folder)
    lake.undo(second.commit, author="somebody")
    assert twice(fed) == [(1, 20)]
    assert refused(fed).code == "PL321"
    arrive(fed, 3)
    fed.run()
    assert twice(fed) == [(1, 20), (2, 40), (3, 60)]


def test_two_runs_that_took_the_same_rows_publish_them_once(fed: Project):
    arrive(fed, 1)
    fed.run()
    arrive(fed, 2)
    opened = fed.open()
    late = plan(opened.reading, opened.lake, Asked(), opened.around)
    fed.run()
    with pytest.raises(PilotlineError) as caught:
        carry_out(late, opened.lake, opened.around, lambda _: None)
    assert caught.value.code == "PL342"
    assert twice(fed) == [(1, 20), (2, 40)]


def test_a_failed_run_takes_nothing(fed: Project):
    arrive(fed, 1)
    fed.run()
    arrive(fed, 2)
    fed.write("explore.toml", CONTRACT + "checks = [{ between = [0, 30], column = 'amount' }]\n")
    assert refused(fed).code == "PL320"
    fed.write("explore.toml", CONTRACT)
    fed.run()
    assert twice(fed) == [(1, 20), (2, 40)]


def test_a_table_that_would_be_replaced_by_changes_alone_is_refused(fed: Project):
    arrive(fed, 1)
    fed.write("explore.toml", 'changes = ["orders"]\n[tables.twice]\nmode = "replace"\n')
    assert refused(fed).code == "PL304"
    # Without a word on the table it shows only when it is made.
    fed.write(
        "explore.py", MODULE.replace("def doubled(orders: pd.DataFrame) -> pd.DataFrame:", "def doubled(orders):")
    )
    fed.write("explore.toml", 'changes = ["orders"]\n')
    error = refused(fed)
    assert error.code == "PL304"
    assert "twice is made of changes alone, and would replace all of shop.twice" in error.message


def test_a_table_is_read_in_one_way(fed: Project):
    arrive(fed, 1)
    fed.write(
        "explore.py", MODULE.replace('orders["amount"] * 2', 'orders["amount"] * len(pilotline.read("sales.orders"))')
    )
    assert refused(fed).code == "PL304"


def test_what_comes_is_said_before_it_is_taken(fed: Project):
    from pilotline.run.explaining import explain, plan_as_json

    arrive(fed, 1)
    assert "Reads all of sales.orders: nothing was made of it yet." in explain(fed.plan())
    fed.run()
    arrive(fed, 2)
    made = fed.plan()
    assert "Reads what came to sales.orders since run-1." in explain(made)
    [told] = plan_as_json(made)["inputs"]
    assert (told["kind"], told["since_run"]) == ("changes", "run-1")


def test_what_came_is_read_by_hand_too(fed: Project, monkeypatch):
    import pilotline

    monkeypatch.chdir(fed.folder)
    first = arrive(fed, 1)
    arrive(fed, 2, 3)
    assert pilotline.read("sales.orders", since=first)["id"].tolist() == [2, 3]
    assert pilotline.read("sales.orders", since=first, at=first)["id"].tolist() == []
    arrive(fed, 4, mode=Replace())
    with pytest.raises(pilotline.ReadFailed) as caught:
        pilotline.read("sales.orders", since=first)
    assert caught.value.code == "PL249"


def test_an_undo_that_was_undone_and_done_again_gives_the_rows_back(fed: Project):
    arrive(fed, 1)
    fed.run()
    arrive(fed, 2)
    second = fed.run()
    lake, _ = open_lake_here(fed.folder)
    for _ in range(3):
        lake.undo(lake.resolve("main").id, author="somebody")
    assert twice(fed) == [(1, 20)]
    error = refused(fed)
    assert (error.code, second.commit is not None) == ("PL321", True)
    arrive(fed, 3)
    fed.run()
    assert twice(fed) == [(1, 20), (2, 40), (3, 60)]


def test_a_publish_that_a_later_one_is_built_on_is_not_undone_alone(fed: Project):
    arrive(fed, 1)
    first = fed.run()
    arrive(fed, 2)
    fed.run()
    lake, _ = open_lake_here(fed.folder)
    with pytest.raises(PilotlineError):
        lake.undo(first.commit, author="somebody")
    assert twice(fed) == [(1, 20), (2, 40)]


def test_another_project_with_a_pipeline_of_the_same_name_takes_all_for_itself(fed: Project, tmp_path, lies):
    from tests.run.conftest import Project

    if lies == "folder":
        # One catalog for both: that of the first.
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / ".pilotline").symlink_to(fed.folder / ".pilotline", target_is_directory=True)
        (fed.folder / ".pilotline").mkdir(exist_ok=True)
    else:
        (tmp_path / "other").mkdir()
    other = Project(tmp_path / "other")
    other.write("explore.py", MODULE)
    other.write("explore.toml", CONTRACT)
    arrive(fed, 1, 2)
    fed.run()
    arrive(fed, 3)
    other.run()
    lake, _ = open_lake_here(fed.folder)
    rows = lake.scan(TableName("other", "twice"), WHOLE, "main").read_all().to_pylist()
    assert sorted(row["id"] for row in rows) == [1, 2, 3]
    fed.run()
    assert twice(fed) == [(1, 20), (2, 40), (3, 60)]
    assert other.run().state == "unchanged"
