# %%
from collections import namedtuple
from dataclasses import dataclass, field
from enum import Enum

import pandas as pd

Line = namedtuple("Line", "store units")


class Size(Enum):
    SMALL = 1
    LARGE = 10


@dataclass(order=True)
class Basket:
    weight: int
    lines: list = field(default_factory=list)


# %%
sales = pd.read_csv("data/sales.csv")
lines = [Line(row.store, row.units) for row in sales.itertuples()]
# %%
baskets = [Basket(size.value) for size in Size]
for line in lines:
    baskets[line.units > 8].lines.append(line)
# %%
by_size = {Size.SMALL: baskets[0], Size.LARGE: baskets[1]}
heaviest = max(baskets)
# %%
final = sum(size.value * len(basket.lines) for size, basket in by_size.items()) + heaviest.weight * 10000
