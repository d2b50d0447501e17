"""Samples of files for tests, and the tests themselves: small, telling, and really run."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pilotline.lab.lifting import Options, lift_notebook
from pilotline.lab.sampling import sample_files

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = [[str(n), f"c{n % 40}", str(n * 1.5) if n != 77 else "", "gold" if n == 123 else "plain"] for n in range(400)]
CUSTOMERS = [[f"c{n}", f"City {n}"] for n in range(40)]


def table(header: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.csv").write_text(table(["id", "customer", "amount", "kind"], ORDERS))
    (tmp_path / "data" / "customers.csv").write_text(table(["customer", "city"], CUSTOMERS))
    return tmp_path


def rows_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode())))


def test_a_sample_keeps_ends_gaps_rare_values_and_what_belongs_together(shop: Path) -> None:
    samples = sample_files(shop, ["data/orders.csv", "data/customers.csv"], rows=50)
    orders, customers = rows_of(samples["data/orders.csv"]), rows_of(samples["data/customers.csv"])
    assert orders[0] == ["id", "customer", "amount", "kind"]
    assert (len(orders), len(customers)) == (51, 21)
    assert {row[0] for row in customers[1:]} >= {row[1] for row in orders[1:]}
    assert {"c0", "c39"} <= {row[0] for row in customers}
    alone = rows_of(sample_files(shop, ["data/orders.csv"], rows=50)["data/orders.csv"])
    assert {"0", "399", "77", "123"} <= {row[0] for row in alone}


def test_a_file_is_never_taken_whole_nor_one_with_credentials(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(table(["a"], [[str(n)] for n in range(8)]))
    (tmp_path / "users.csv").write_text(table(["user", "password"], [[f"u{n}", f"pw{n}"] for n in range(50)]))
    (tmp_path / "keys.csv").write_text(table(["user", "k"], [[f"u{n}", "ghp_" + "a1B2" * 9] for n in range(50)]))
    (tmp_path / "tiny.csv").write_text("a\n1\n2\n")
    (tmp_path / "binary.csv").write_bytes(b"\0\1\2" * 100)
    samples = sample_files(tmp_path, ["few.csv", "users.csv", "keys.csv", "tiny.csv", "binary.csv", "no.csv"], rows=200)
    assert {name: len(rows_of(data)) for name, data in samples.items()} == {"few.csv": 5}


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_other_formats_stay_what_they_are(tmp_path: Path, suffix: str) -> None:
    rows = [{"n": n, "word": "é" if n else None} for n in range(60)]
    path = tmp_path / f"a.{suffix}"
    if suffix == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif suffix == "jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    path.write_bytes(sample_files(tmp_path, [path.name], rows=20)[path.name])
    if suffix == "parquet":
        found = pq.read_table(path).to_pylist()
    else:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if suffix == "json" else [json.loads(line) for line in text.splitlines()]
    assert len(found) == 20
    assert found[0] == rows[0]
    assert found[-1] == rows[-1]


def lifted(folder: Path, want: str, *cells: str):
    raw = [
        {"cell_type": "code", "metadata": {}, "source": cell, "outputs": [], "execution_count": None} for cell in cells
    ]
    path = folder / "explore.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}), encoding="utf-8")
    return lift_notebook(path, Options(wants=(want,), python=sys.executable, proof="once"), lambda _: None)


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "test_explore.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


PANDAS = (
    "import pandas as pd",
    "orders = pd.read_csv('data/orders.csv')\norders['amount'] = orders['amount'].fillna(0)",
    "customers = pd.read_csv('data/customers.csv')\ndf = orders.merge(customers, on='customer')",
    "by_city = df.groupby('city', as_index=False)['amount'].sum()",
)


def test_tests_beside_a_module_run_on_a_sample_of_its_files(shop: Path) -> None:
    receipt = lifted(shop, "by_city", *PANDAS)
    assert receipt.status == "proven"
    assert {one.name for one in (shop / "test_explore_data").iterdir()} == {"orders.csv", "customers.csv"}
    text = (shop / "test_explore.py").read_text()
    assert "on a small sample of its files." in text
    (shop / "data" / "orders.csv").unlink()
    done = run_tests(shop)
    assert done.returncode == 0, done.stdout


def test_what_came_from_a_database_is_made_up_in_its_likeness(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as base:
        base.execute("create table orders (id integer, city text, amount real)")
        rows = [(n, "Oslo" if n % 3 else "Bergen", None if n == 7 else n + 0.125) for n in range(90)]
        base.executemany("insert into orders values (?, ?, ?)", rows)
        base.commit()
    receipt = lifted(
        tmp_path,
        "by_city",
        "import sqlite3\nimport pandas as pd",
        "orders = pd.read_sql('select * from orders', sqlite3.connect('shop.db'))",
        "orders['amount'] = orders['amount'].fillna(0)\nby_city = orders.groupby('city', as_index=False)['amount'].sum()",
        "by_city = by_city.sort_values('amount')\nby_city['share'] = by_city['amount'] / by_city['amount'].sum()",
    )
    assert receipt.status == "proven", receipt.as_text()
    text = (tmp_path / "test_explore.py").read_text()
    assert "made up here, in the likeness of it" in " ".join(text.split())
    assert ".125" not in text
    assert "shop.db" not in text
    (tmp_path / "shop.db").unlink()
    done = run_tests(tmp_path)
    assert done.returncode == 0, done.stdout


def test_they_fail_when_a_step_computes_something_else(shop: Path) -> None:
    lifted(shop, "by_city", *PANDAS)
    module = shop / "explore.py"
    module.write_text(module.read_text().replace(".fillna(0)", ".fillna(1)"))
    assert run_tests(shop).returncode == 1


def test_where_no_sample_will_do_they_say_so_and_use_the_files(shop: Path) -> None:
    receipt = lifted(shop, "n", "rows = open('data/orders.csv').read().split()", "n = len(rows)\nn += 1 // (n > 390)")
    assert receipt.status == "proven"
    assert not (shop / "test_explore_data").exists()
    text = (shop / "test_explore.py").read_text()
    assert "It cannot be tested on a sample: its steps need more rows" in text
    done = run_tests(shop)
    assert done.returncode == 0, done.stdout


def test_steps_that_name_files_themselves_are_tested_in_a_copy_of_the_folder(shop: Path) -> None:
    receipt = lifted(
        shop,
        "n",
        "import glob",
        "n = 0\nfor name in sorted(glob.glob('data/*.csv')):\n    n += len(open(name).read())",
        "open('n.txt', 'w').write(str(n))",
        "n = n + 1",
    )
    assert receipt.status == "proven"
    assert "by a path of their own" in " ".join((shop / "test_explore.py").read_text().split())
    done = run_tests(shop)
    assert done.returncode == 0, done.stdout
    assert not (shop / "n.txt").exists()


def test_no_sample_is_put_where_the_notebook_would_find_it(shop: Path) -> None:
    receipt = lifted(
        shop,
        "n",
        "from pathlib import Path\nfound = len(list(Path('.').rglob('*.csv')))\nfound",
        "rows = open('data/orders.csv').read().split()\nn = len(rows)",
    )
    assert receipt.status == "proven"
    assert not (shop / "test_explore_data").exists()
    assert run_tests(shop).returncode == 0
