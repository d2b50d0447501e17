"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pilotline
from pilotline.factory.upgrading import COMPONENTS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "pilotline"
MODULES = sorted(PACKAGE.rglob("*.py"))
GUESTS = sorted((PACKAGE / "guest").glob("*.py"))

# Looked for in sys.modules or tried, inside functions; never needed.
USERS_LIBRARIES = {
    "IPython",
    "traitlets",
    "duckdb",
    "joblib",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "scipy",
    "sklearn",
    "torch",
}

# What costs tens of milliseconds, or is a sign that something heavy has come in.
HEAVY = {
    *("argparse", "asyncio", "ctypes", "dataclasses", "email", "http", "inspect", "json", "logging", "multiprocessing"),
    *("socket", "sqlite3", "ssl", "subprocess", "tempfile", "tomllib", "unittest", "urllib", "uuid", "zipfile"),
}


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def modules_loaded_by(code: str) -> set[str]:
    counted = f"import sys; before = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before), file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", counted], capture_output=True, encoding="utf-8", check=True, timeout=60
    )
    return set(ended.stderr.split())


def test_imports_run_downward_and_never_in_circles():
    ended = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_importing_pilotline_loads_next_to_nothing():
    loaded = modules_loaded_by("import pilotline")
    assert {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names} == {"pilotline"}
    assert loaded & HEAVY == set()
    assert len(loaded) <= 12, sorted(loaded)


def test_help_is_printed_without_importing_any_command():
    loaded = modules_loaded_by("from pilotline.cli.main import main\nmain(['--help'])")
    ours = {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names}
    assert ours == {
        "pilotline",
        "pilotline.cli",
        "pilotline.cli.commands",
        "pilotline.cli.errors",
        "pilotline.cli.main",
        "pilotline.cli.terminal",
        "pilotline.domain",
        "pilotline.domain.errors",
    }
    assert loaded & HEAVY == set()
    assert len(loaded - ours) <= 40, sorted(loaded - ours)


def test_the_public_names_are_those_that_are_documented():
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    documented = re.findall(r"^## `(?:pilotline\.)?(\w+)", page, re.MULTILINE)
    assert sorted(documented) == sorted(pilotline.__all__)
    assert [name for name in pilotline.__all__ if not hasattr(pilotline, name)] == []


@pytest.mark.parametrize("path", GUESTS, ids=name_of)
def test_a_guest_is_python_3_9_and_needs_the_standard_library_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    at_import = set(roots_imported(statements_run_at_import(tree.body)))
    anywhere = set(roots_imported(ast.walk(tree)))
    standard = set(sys.stdlib_module_names) - {"tomllib"}
    assert at_import - standard == set()
    assert anywhere - standard - USERS_LIBRARIES == set()


def statements_run_at_import(body):
    """All statements that importing executes: not those in functions, nor those for type checkers alone."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        yield statement
        for part in ("body", "orelse", "finalbody"):
            yield from statements_run_at_import(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from statements_run_at_import(handler.body)


def roots_imported(nodes):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


def test_nothing_but_the_command_line_and_guests_print():
    printing = [
        name_of(path)
        for path in MODULES
        if path.parent.name not in {"cli", "guest"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_no_function_takes_more_than_ten_parameters():
    crowded = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs) > 10
    ]
    assert crowded == []


def test_no_module_grows_beyond_what_can_be_read_at_once():
    long = {name_of(path): lines for path in MODULES if (lines := len(path.read_text().splitlines())) > 800}
    assert long == {}


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "util", "helpers", "helper", "common", "core", "misc", "shared", "base"}
    assert [name_of(path) for path in MODULES if path.stem in drawers or path.parent.name in drawers] == []


# Written in two halves, so that this file does not speak of them itself.
FORBIDDEN = re.compile(
    "|".join(
        [
            "/wor" + "k/",
            "/tm" + "p/uvv",
            "/opt/" + "(?:pypi|wheels|skills)",
            "/roo" + "t/",
            r"\.\./sha" + "red/",
            r"(?i:\bissue" + r" #?\d)",
            r"(?i:\bsub-?" + r"agents?\b)",
            r"\bTO" + r"DO\b",
            r"\bFIX" + r"ME\b",
        ]
    )
)


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, timeout=60)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    # Not a checkout, or one that belongs to somebody else.
    made = {"_build", "__pycache__", ".pilotline", "data", "out"}
    folders = [ROOT / name for name in ("src", "docs", "tests", "benchmarks", "examples", ".ci")]
    within = [path for folder in folders for path in folder.rglob("*") if not made & set(path.parts)]
    return [*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml", *within]


def test_upgrades_know_of_every_component_of_the_database():
    named = {
        name
        for path in (ROOT / "src/pilotline").rglob("*.py")
        for name in re.findall(r'database\.register\("(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert named == set(COMPONENTS)


def test_statements_go_on_where_a_newer_version_has_added_columns():
    statements = {
        path.name: re.findall(r"(?i)insert into \w+\s*(?:values|select)|select \*", path.read_text(encoding="utf-8"))
        for path in (ROOT / "src/pilotline").rglob("*.sql")
    }
    assert {name: found for name, found in statements.items() if found} == {}


def test_the_project_speaks_of_itself_alone():
    found = []
    files = tracked_files()
    assert ROOT / "README.md" in files
    for path in files:
        if not path.is_file() or path.name == "uv.lock":
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), 1)
            if FORBIDDEN.search(line)
        ]
    assert found == []


def test_every_benchmark_has_a_name_of_its_own_a_goal_and_a_measurement(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    names = []
    for path in sorted((ROOT / "benchmarks").glob("bench_*.py")):
        module = load(path)
        assert module.GOAL
        assert callable(module.measure)
        names.append(module.NAME)
    assert sorted(set(names)) == sorted(names)
    assert "startup" in names


def test_a_benchmark_prints_one_line_and_records_it(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    run = load(ROOT / "benchmarks" / "run.py")
    measuring = importlib.import_module("measuring")
    result = measuring.Result(
        figure=0.03, unit="CPU-s", goal=0.15, peer="bare Python", peer_figure=0.015, ok=True, command="python -c pass"
    )
    assert run.line_of("startup", result) == "startup: 0.03 CPU-s (goal 0.15; peer bare Python: 0.015; ratio 2)"
    run.record("startup", "quick", result, tmp_path / "results.jsonl")
    [row] = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    assert (row["name"], row["figure"], row["ratio"], row["goal"], row["ok"]) == ("startup", 0.03, 2.0, 0.15, True)
    assert {"machine", "versions", "at", "command", "data"} <= set(row)


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
