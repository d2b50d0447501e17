"""What each hazard really computes, worked out again by other means.

No function here runs or reads a notebook: plain Python over the csv files, or NumPy formulas written out, where the
notebook uses pandas, scikit-learn, files, databases or tricks. Each takes the folder with the notebook's files and
gives the wanted values by the name under which they are asked for. A value that is a function is a predicate.
"""

from __future__ import annotations

import csv
import math
import random
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Values = dict[str, Any]


def _rows(folder: Path, name: str = "sales") -> list[dict[str, str]]:
    with (folder / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _units(folder: Path) -> list[int]:
    return [int(row["units"]) for row in _rows(folder)]


def _priced(folder: Path) -> list[tuple[str, str, int, float]]:
    """Store, product, units and price of the sales that have a price."""
    return [
        (row["store"], row["product"], int(row["units"]), float(row["price"])) for row in _rows(folder) if row["price"]
    ]


def _sums(pairs: Iterable[tuple[Any, float]]) -> dict[Any, float]:
    sums: dict[Any, float] = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0) + value
    return sums


def clean(folder: Path) -> Values:
    import pandas as pd

    sums = _sums((store, units * price) for store, _, units, price in _priced(folder))
    stores = sorted(sums)
    by_store = pd.Series([sums[store] for store in stores], pd.Index(stores, name="store"), name="revenue")
    return {"final": max(sums.values()), "by_store": by_store}


def inplace_frame(folder: Path) -> Values:
    total = 0.0
    rows = _rows(folder)
    for row in rows:
        units, price = int(row["units"]), float(row["price"] or 2.0)
        revenue = units * price if row["price"] else 0.0
        if row["store"] == "West":
            units += 1
        if units > 15:
            revenue = 100.0
        total += units * price + revenue
    return {"final": total + len(rows) - 1}


def fitted(folder: Path) -> Values:
    import numpy as np
    from sklearn.datasets import load_breast_cancer

    data, y = load_breast_cancer(return_X_y=True)
    data = data[:, :5]
    scaled = (data - data[:400].mean(axis=0)) / data[:400].std(axis=0)
    seen, labels = scaled[:400], y[:400]
    groups = [seen[labels == label] for label in (0, 1)]
    means = np.array([group.mean(axis=0) for group in groups])
    scores = []
    for group in groups:
        spread = group.var(axis=0)
        density = -0.5 * (np.log(2 * np.pi * spread) + (scaled[400:] - group.mean(axis=0)) ** 2 / spread).sum(axis=1)
        scores.append(np.log(len(group) / 400) + density)
    hits = int(((scores[1] > scores[0]).astype(int) == y[400:]).sum())
    centred = seen - seen.mean(axis=0)
    slopes = np.linalg.solve(centred.T @ centred + 10.0 * np.eye(5), centred.T @ (labels - labels.mean()))
    level = labels.mean() - seen.mean(axis=0) @ slopes + 0.25
    final = float((scaled[400:] @ slopes + level).sum() + means.sum() + hits)
    return {
        "final": final,
        "bayes": lambda model: (
            np.allclose(model.theta_, means) and list(model.class_count_) == [len(g) for g in groups]
        ),
        "ridge": lambda model: bool(np.allclose(model.coef_, slopes) and np.isclose(model.intercept_, level)),
    }


def aliases(folder: Path) -> Values:
    prices = [1.5, 2.5, 35.0, 45.0, 55.0, 6.5]
    return {"final": sum(prices) + 3 + 5 + 2 * sum(_units(folder))}


def rebound_globals(folder: Path) -> Values:
    units = _units(folder)
    first = sum(1.5 * count for count in units if count > 3)
    second = sum(4.0 * count for count in units if count > 10)
    third = sum(4.0 * count for count in units[:20] if count > 10)
    return {"final": first + second + third + 7}


def notebook_class(_: Path) -> Values:
    import numpy as np
    from sklearn.datasets import load_wine

    data = load_wine().data[:, :4]
    clipped = np.where(np.quantile(data, 0.8, axis=0) < data, np.quantile(data, 0.8, axis=0), data)
    return {"final": float(np.sqrt(clipped.var(axis=0)).sum() * 1000 + np.sqrt(data.var(axis=0)).sum()) + 2}


def magics(folder: Path) -> Values:
    return {"final": float(sum(_units(folder)))}


def messy(folder: Path) -> Values:
    revenues: dict[str, list[float]] = {}
    for _, product, units, price in _priced(folder):
        revenues.setdefault(product, []).append(units * price)
    return {"final": round(max(sum(group) / len(group) for group in revenues.values()), 2)}


def stars(_: Path) -> Values:
    return {"final": math.log(1 + 2 + 3 + 4) + 3 + 5 + 2**0.5}


def out_of_order(_: Path) -> Values:
    return {"final": 44.0}


def reassigned(folder: Path) -> Values:
    kept = [row for i, row in enumerate(_rows(folder)) if int(row["units"]) > 2 and i % 2 == 0 and row["price"]]
    doubled = 2 * sum(int(row["units"]) for row in kept) + 2
    n, x = doubled, 2 + doubled
    return {"final": float((x + 1) * 1000 + n - 2 + len(kept))}


def hidden_files(folder: Path) -> Values:
    big = [(row["store"], int(row["units"])) for row in _rows(folder) if int(row["units"]) > 10]
    size = sum(len(f"{store};{units}\n".encode()) for store, units in big)
    return {"final": float(sum(units for _, units in big) * 100 + len({store for store, _ in big}) + size)}


def global_random(folder: Path) -> Values:
    import numpy as np

    units = _units(folder)
    state, dice = np.random.RandomState(42), random.Random(7)
    noise = state.normal(size=len(units))
    state.rand(10)
    dice.random()
    picks = state.permutation(len(units))[:5]
    cards = list(range(20))
    dice.shuffle(cards)
    return {"final": float(noise.sum()) + sum(units[pick] for pick in picks) + cards[0] * 10 + dice.random()}


def control_flow(folder: Path) -> Values:
    sums: dict[str, list[float]] = {}
    for store, _, units, price in _priced(folder):
        sums.setdefault(store, []).append(units * price)
    missing = sum(not row["price"] for row in _rows(folder))
    means = sum(sum(group) / len(group) for group in sums.values())
    collatz = 0
    rest = 100
    while rest != 1:
        rest = 3 * rest + 1 if rest % 2 else rest // 2
        collatz += 1
    count = missing + 5 if missing > 2 else missing
    counter = (1 + 4) + 10
    return {"final": means + (collatz + 1000) + count + counter + 9}


def cannot_travel(_: Path) -> Values:
    return {"final": 2.5 * (1 + 4 + 9 + 16 + 25) + 36 + 5}


def process_state(folder: Path) -> Values:
    units = _units(folder)
    mean = sum(units) / len(units)
    spread = math.sqrt(sum((value - mean) ** 2 for value in units) / len(units))
    return {"final": (max(units) - mean) / spread + 0.14286 * 3 + (max(units) - min(units)) + 12.0}


# --- twenty and more further ones ---


def rerun(_: Path) -> Values:
    return {"final": 100 - 3 * 12}


def deleted_or_edited(_: Path) -> Values:
    return {"final": 14.0}


def awaits(folder: Path) -> Values:
    return {"final": sum(_units(folder)) + 4 * 1000 + (0 + 1 + 2 + 3) + (0 + 10 + 20)}


def timings(folder: Path) -> Values:
    return {"final": 2 * (max(_units(folder)) - min(_units(folder)))}


def shell(_: Path) -> Values:
    return {"final": 1}


def units_sum(folder: Path) -> Values:
    return {"final": sum(_units(folder))}


def history(folder: Path) -> Values:
    return {"final": 3 * sum(_units(folder)) + max(_units(folder))}


def cell_magics(_: Path) -> Values:
    return {"final": 72 + len("twelve")}


def displayed(folder: Path) -> Values:
    import pandas as pd

    rows = _priced(folder)
    xs, ys = [row[2] for row in rows], [row[3] for row in rows]
    slope, level = _line(xs[:40], ys[:40])
    mean = sum(ys[40:]) / len(ys[40:])
    missed = sum((y - level - slope * x) ** 2 for x, y in zip(xs[40:], ys[40:], strict=True))
    sums = _sums((product, units) for _, product, units, _ in rows)
    products = sorted(sums)
    return {
        "cell:4": 1 - missed / sum((y - mean) ** 2 for y in ys[40:]),
        "cell:5": pd.Series([sums[name] for name in products], pd.Index(products, name="product"), name="units"),
    }


def _line(xs: list[int], ys: list[float]) -> tuple[float, float]:
    """Least squares by hand: slope and level."""
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    covered = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    slope = covered / sum((x - x_mean) ** 2 for x in xs)
    return slope, y_mean - slope * x_mean


def secret(folder: Path) -> Values:
    return {"final": sum(_units(folder)) + 7 + 40 + 21}


def repaired_merge(_: Path) -> Values:
    return {"density_sum": 11_531_000 / 44828 + 25_141_000 / 268601 + 711_000 / 656425 + 3_721_000 / 3515}


def queries(folder: Path) -> Values:
    rows = _rows(folder)
    big = [int(row["units"]) for row in rows if int(row["units"]) >= 9 and row["store"] in {"West", "Nord"}]
    return {"final": 1.5 * sum(big) + len(rows)}


def chained(folder: Path) -> Values:
    rows = _rows(folder)
    nord, west = (sum(row["store"] == store for row in rows) for store in ("Nord", "West"))
    return {"final": sum(_units(folder)) + 100 * nord + 5000 + 7 * west}


def default_arguments(_: Path) -> Values:
    return {"final": 3 * 10000 + (3 + 4 + 10) * 100 + 6}


def loop_closures(_: Path) -> Values:
    return {"final": 4 * 30 * 10000 + 4 * 70 + (0 + 1 + 2 + 3)}


def monkeypatched(folder: Path) -> Values:
    revenue = sum(units * price for _, _, units, price in _priced(folder))
    return {"final": round(revenue, 6) + 20 * 1000 + 2 + 2}


def frame_attrs(folder: Path) -> Values:
    return {"final": 3 * sum(int(row["units"]) for row in _rows(folder) if row["store"] == "West") + 2}


def categories(folder: Path) -> Values:
    import pandas as pd

    def code(units: int) -> int:
        return 0 if units <= 5 else 1 if units <= 10 else 2

    codes = [code(units) for units in _units(folder)]
    table = pd.DataFrame(
        {
            "count": [codes.count(number) for number in range(4)],
            "sum": [sum(u for u in _units(folder) if code(u) == number) for number in range(4)],
        },
        index=pd.CategoricalIndex(["small", "medium", "large", "huge"], ordered=True, name="size"),
    )
    table.index = table.index.set_categories(["small", "medium", "large", "huge"], ordered=True)
    ranked = sorted(codes, reverse=True)
    final = sum(place * number for place, number in enumerate(ranked)) + sum(number > 0 for number in codes)
    return {"final": final, "table": table}


def multi_index(folder: Path) -> Values:
    import pandas as pd

    sums = _sums(((row["store"], row["product"]), int(row["units"])) for row in _rows(folder))
    sums["West", "tea"] = -1
    tops: dict[Any, float] = {}
    for store, product, _, price in _priced(folder):
        tops[store, product] = max(price, tops.get((store, product), 0.0))
    keys = sorted(sums)
    index = pd.MultiIndex.from_tuples(keys, names=["store", "product"])
    table = pd.DataFrame({"units": [sums[key] for key in keys], "price": [tops[key] for key in keys]}, index=index)
    return {"final": sum(sums.values()) + 2, "table": table}


def grouped_then_changed(folder: Path) -> Values:
    rows = _rows(folder)
    sizes = _sums((row["store"], 1) for row in rows)
    sums = _sums((row["store"], int(row["units"]) + 1) for row in rows)
    return {"final": max(sizes.values()) + max(sums.values())}


def generators(folder: Path) -> Values:
    doubled = [2 * value for value in _units(folder)]
    return {"final": sum(doubled[:10]) * 100000 + sum(doubled[11:])}


def half_consumed(folder: Path) -> Values:
    early, rest = 0, _units(folder)
    while early <= 60:
        early += rest.pop(0)
    return {"final": early * 100000 + sum(rest) * 10 + 4}


def shared_generator(folder: Path) -> Values:
    import numpy as np

    units = _units(folder)
    draws = np.random.Generator(np.random.PCG64(20260101))
    noise = draws.normal(size=len(units))
    draws.uniform(size=200)
    sample = draws.choice(len(units), size=10, replace=False)
    return {"final": sum(units[i] + noise[i] for i in sample) + int(draws.integers(0, 1000))}


def seeded_twice(_: Path) -> Values:
    import numpy as np

    stream = np.random.RandomState(5).rand(5)
    return {"final": 1.0 + 10.0 + float(stream[4])}


def unseeded(folder: Path) -> Values:
    """No single value: the noise is that of 64 normal draws and one uniform one."""
    total = sum(_units(folder))
    return {"final": lambda value: abs(value - total) < 60}


def redefined(folder: Path) -> Values:
    big = [value for value in _units(folder) if value > 3]
    return {"final": sum(big) * 1000000 + 10 * sum(big) + 10 * sum(big) + len(big)}


def shadowed(folder: Path) -> Values:
    return {"final": sum(_units(folder)) * 1000 + max(_units(folder)) * 10 + 3}


def class_attributes(_: Path) -> Values:
    return {"final": (5 + 7 + 2) + 3 * 1000 + 100}


def import_fallback(folder: Path) -> Values:
    units = sorted(_units(folder))
    return {"final": (units[31] + units[32]) / 2 + 4}


def printed(folder: Path) -> Values:
    rows = _priced(folder)
    xs, ys = [row[2] for row in rows], [row[3] for row in rows]
    slope, level = _line(xs, ys)
    return {
        "cell:4": math.sqrt(sum((y - level - slope * x) ** 2 for x, y in zip(xs, ys, strict=True)) / len(xs)),
    }


def sqlite_round_trip(folder: Path) -> Values:
    sums = _sums((row["store"], int(row["units"]) + (row["store"] == "West")) for row in _rows(folder))
    return {"final": max(sums.values()) * 1000 + len(sums)}


def overwritten(folder: Path) -> Values:
    big = [value for value in _units(folder) if value > 5]
    return {"final": 2 * sum(big) + len(big)}


def file_between_cells(_: Path) -> Values:
    return {"final": (0.0 + 1 + 2 + 3) * 5 + 1}


def changed_directory(folder: Path) -> Values:
    return {"final": sum(_units(folder)[:10]) * 1000 + len(_units(folder))}


def environment(_: Path) -> Values:
    return {"final": 25.0 + 5.0 + 9.0 + 40}


def local_module(_: Path) -> Values:
    return {"final": 400 + 2 * 1000 + 1}


def error_settings(_: Path) -> Values:
    return {"final": (1.0 + 99.0 + 0.25) * 10 + 2}


def code_in_strings(_: Path) -> Values:
    return {"final": 2 * (3 * 10 + 4) + 2 * 100 + (4 + 4) + 5 * 1000}


def names_in_formats(_: Path) -> Values:
    return {"final": "10.0 kg|4 x kg|kg2.5|     10.0 kg"}


def cached(_: Path) -> Values:
    return {"final": 20 * 1000000 + 20 * 10000 + 1100 + 1}


def own_types(folder: Path) -> Values:
    small = sum(value <= 8 for value in _units(folder))
    large = len(_units(folder)) - small
    return {"final": small + 10 * large + 10 * 10000}


def dict_order(_: Path) -> Values:
    # coffee, cocoa, tea (put back last), milk (taken out again)
    return {"final": "coffeecocoatea" + "coffee" + str(0 * 5 + 1 * 4 + 2 * 4)}


def set_order(_: Path) -> Values:
    """Any order: it hangs on PYTHONHASHSEED."""
    words = ["assam", "chai", "lapsang", "mint", "oolong", "rooibos", "sencha"]
    return {"final": lambda value: sorted(value.split("-")) == words}


def deleted_names(_: Path) -> Values:
    # halves above 5: 7, 8, 11, 21; rows end as 8 15 16 23 42 | 21
    return {"final": (8 + 15 + 16 + 23 + 42) * 1000 + 21 + 21 + 4 + 0}


def wall_clock(folder: Path) -> Values:
    total = sum(_units(folder))
    return {"final": lambda value: value > total + 1_700_000_000}


def other_program(_: Path) -> Values:
    return {"final": 34}


def write_outside(folder: Path) -> Values:
    return {"final": sum(_units(folder)) + len("must not be there")}


def float_order(_: Path) -> Values:
    from fractions import Fraction

    values = [1e16, 1.0, -1e16, 1e-3] * 3 + [0.1] * 10

    def added(ordered: list[float]) -> float:
        total = 0.0
        for value in ordered:
            total = float(Fraction(total) + Fraction(value))  # exact, then rounded to a double
        return total

    ordered = sorted(values)
    exact = float(sum(map(Fraction, values), Fraction(0)))
    by_size = sorted(ordered, key=abs)
    # pandas' quicksort may order equal keys (the six of 1e16) in any way: every sum that can come of it
    small = [value for value in by_size if abs(value) < 1e16]
    signs = [[1e16 if i in plus else -1e16 for i in range(6)] for plus in combinations(range(6), 3)]
    running = {added(small + order) for order in signs}
    return {"final": lambda got: list(got[:3]) == [added(values), added(ordered), exact] and got[3] in running}


def lists_in_columns(_: Path) -> Values:
    # the copy holds the same list objects
    return {"final": "all/new/all/added/all/gift/late" + str(2 + 2 + 3)}


def polars_frames(folder: Path) -> Values:
    return {"final": 2 * sum(int(row["units"]) for row in _rows(folder) if row["store"] == "West") + 1000}


def sorted_alias(_: Path) -> Values:
    grid = [[-1, 1, 2], [-1, 8, 9]]
    return {"final": 9 * 1000 + 1 * 100 + sum(map(sum, grid))}


def nested_globals(_: Path) -> Values:
    # by_two: 2, by_five: 5, by_two: 4 -> 11 is logged; by_two: 6 -> 17; then by_five gives 10
    return {"final": 17 * 1000 + 11 * 10 + 10}


def conditional_definitions(folder: Path) -> Values:
    return {"final": 3 * max(_units(folder)) * 100 + 2}


def context_managers(_: Path) -> Values:
    return {"final": "0.333 2 ['a', 'b'] [] 1.23 inf kept"}


def custom_pipeline(_: Path) -> Values:
    import numpy as np
    from sklearn.datasets import load_diabetes

    data, y = load_diabetes(return_X_y=True)
    data = data[:, 2:5]

    def design(shift: float, block: Any) -> Any:
        moved = block - data[:300].mean(axis=0) + shift
        return np.column_stack([np.ones(len(block)), moved, moved**2])

    weights = np.linalg.lstsq(design(2.0, data[:300]), y[:300], rcond=None)[0]
    return {"final": float((design(3.0, data[300:]) @ weights).sum())}


def own_locale(_: Path) -> Values:
    # March 2026 begins on a Sunday and has 31 days: five weeks from Sunday on, the first at place 0
    return {"final": 1234.5 + 5 * 10000 + 0}


def array_in_place(folder: Path) -> Values:
    import numpy as np

    units = [min(2.0 * value, 20.0) for value in _units(folder)]
    units[:3] = [-1.0] * 3
    shuffled = np.array(units)
    np.random.Generator(np.random.PCG64(3)).shuffle(shuffled)
    values = shuffled.tolist()
    windows = sum(max(values[i : i + 3]) for i in range(len(values) - 2))
    return {"final": sum(values) + (50 + 7 + 3) * 1000 + windows}


def callbacks(folder: Path) -> Values:
    rows = _rows(folder)
    missing = [int(row["units"]) for row in rows if not row["price"]]
    prices = sum(float(row["price"] or 0) for row in rows)
    return {"final": prices + sum(missing) * 1000 + (len(rows) + len(missing)) * 100000}


def mutual_recursion(_: Path) -> Values:
    # [1, [2, [3, 4], [3, 4]], 5]
    return {"final": 3 * (1 + 2 + 7 + 7 + 5) * 10 + 1 + 1}


def plot_that_computes(folder: Path) -> Values:
    units = _units(folder)
    low, width = min(units), (max(units) - min(units)) / 4
    places = [min(int((value - low) / width), 3) for value in units]
    return {"final": sum(low + place * width for place in places) + sum(units) * 100}


def threads(folder: Path) -> Values:
    units = _units(folder)
    return {"final": sum(sum(units[part::4]) ** 2 for part in range(4)) + 4}


def containers(folder: Path) -> Values:
    rows = _rows(folder)
    sums = _sums((row["store"], int(row["units"])) for row in rows)
    share = max(int(row["units"]) / sums[row["store"]] for row in rows)
    teas = sum(row["product"] == "tea" for row in rows)
    return {"final": round(share, 12) * 1000 + 4 * 100 + _units(folder)[-2] + teas - 3}


def pickled(folder: Path) -> Values:
    # the pickle holds the limit, not the class's factor
    return {"final": sum(value > 6 for value in _units(folder)) * 5 * 10 + 5}


def plain_script(folder: Path) -> Values:
    return {"final": 2 * sum(_units(folder)) + 1}
