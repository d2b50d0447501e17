"""Write the shop's sample data: two years of orders as the tills and the web shop export them.

    python make_data.py [FOLDER]        (default: the folder `data` beside this file)

Three files: `orders.csv` (about 40 000 lines), `customers.csv` (as the CRM exports it: semicolons, a byte
order mark, decimal commas) and `products.csv`. They are dirty in the ways that real ones are; `FAULTS` lists how.

The same bytes come out on every Python from 3.9 on: all chance is drawn by `Random.random()`, whose sequence is
promised never to change, amounts are whole cents, and nothing asks the platform for a sine or a logarithm.
"""

import csv
import sys
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

SEED = 20260915
ORDERS = 39_000
CUSTOMERS = 2_400
FIRST_DAY = datetime(2024, 10, 1)
DAYS = 730

FAULTS = """\
orders     about 2 % of the lines are exported twice; some of these changed status in between (the later line counts)
orders     till 7 writes dates as 31/12/2025 18:05, everything else as 2025-12-31 18:05:00
orders     about 1.5 % have no amount
orders     till 7 lost the decimal point for a week in March 2026: amounts a hundred times too big
orders     Puerto Rico is 'PR', 'Puerto Rico' and ' pr '
orders     refunds are orders with a negative amount
orders     a few amounts are tiny: coupons, and card tests by thieves
customers  'sep=;' style: semicolons, byte order mark, decimal commas, names in many scripts, some without a state
customers  the shop's own test accounts, with orders
products   two categories are spelt with a trailing blank
"""

STATES = (
    # name in the export, share of customers, how much its people buy
    ("California", 24, 1.10),
    ("Texas", 17, 1.00),
    ("Florida", 13, 0.95),
    ("New York", 14, 1.20),
    ("Illinois", 8, 0.95),
    ("Washington", 7, 1.15),
    ("Georgia", 6, 0.90),
    ("Colorado", 5, 1.00),
    ("Puerto Rico", 6, 1.05),
)
PUERTO_RICO_AS = ("PR", "PR", "PR", "Puerto Rico", "Puerto Rico", " pr ")

CATEGORIES = (
    # category, what it sells, dollars from, to
    ("Coffee", ("House Blend", "Ethiopia Sidama", "Décaf", "Espresso No. 5", "Cold Brew Kit", "Filter Roast"), 9, 32),
    ("Tea", ("Sencha", "Earl Grey", "Rooibos", "Lapsang", "Masala Chai", "Peppermint"), 9, 26),
    ("Equipment", ("Hand Grinder", "Gooseneck Kettle", "French Press", "Scale", "Moka Pot", "Tamper"), 19, 89),
    ("Cups", ("Espresso Cup", "Mug 0.4 l", "Travel Mug", "Tea Bowl", "Glass Set"), 7, 48),
    ("Sweets", ("Cantuccini", "Dark 70 %", "Alfajores", "Halva", "Crème Brûlée Kit"), 8, 22),
)
SIZES = ("small", "medium", "large")

GIVEN = (
    "María", "José", "Anna", "Luis", "Zoë", "Olga", "Nguyễn", "Søren", "Chloé", "Jürgen", "Ayşe", "Łukasz", "Emily",
    "James", "Priya", "Wei", "Fatima", "Noah", "Ximena", "Håkon", "Björk", "Renée", "Tomás", "Ivy", "Kofi", "Aiko",
)  # fmt: skip
FAMILY = (
    "García", "Núñez", "O'Brien", "Smith", "Johnson", "Müller", "Šimek", "Østergård", "Lee", "Kowalska", "Rivera",
    "D'Angelo", "Yılmaz", "Van der Berg", "Peña", "Brown", "Okafor", "Tanaka", "Díaz", "Lévesque", "Colón", "Wu",
)  # fmt: skip

# Shares of the day's orders, Monday first, and of the year's, January first.
WEEKDAY = (0.68, 0.70, 0.78, 0.92, 1.27, 1.62, 1.03)
MONTH = (0.78, 0.85, 0.93, 0.98, 1.03, 0.90, 0.76, 0.80, 0.97, 1.06, 1.36, 1.58)
HOURS = (7, 8, 8, 9, 9, 10, 10, 11, 12, 12, 13, 14, 15, 16, 16, 17, 17, 18, 18, 19, 20, 21)


class Chance:
    """Draws that use nothing but `Random.random()`."""

    def __init__(self, seed):
        self._random = Random(seed).random

    def below(self, n):
        return int(self._random() * n)

    def one_of(self, items):
        return items[int(self._random() * len(items))]

    def happens(self, share):
        return self._random() < share

    def around(self, middle, spread):
        """A bell of sorts: three uniform draws added."""
        return middle + spread * (self._random() + self._random() + self._random() - 1.5)

    def weighted(self, cumulative):
        """The index that a draw hits in a list of cumulated weights."""
        hit, low, high = self._random() * cumulative[-1], 0, len(cumulative) - 1
        while low < high:
            middle = (low + high) // 2
            if cumulative[middle] <= hit:
                low = middle + 1
            else:
                high = middle
        return low


def cumulate(weights):
    total, out = 0.0, []
    for weight in weights:
        total += weight
        out.append(total)
    return out


def dollars(cents):
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def make_products(chance):
    """Rows of products.csv, and the price of each in cents."""
    rows = []
    for category, names, low, high in CATEGORIES:
        for name in names:
            base = 100 * low + chance.below(100 * (high - low))
            for step, size in enumerate(SIZES[: 1 + chance.below(3)]):
                cents = (base * (10 + 7 * step) // 10) // 10 * 10 + 5
                shown = category + " " if category in {"Cups", "Sweets"} and chance.happens(0.3) else category
                rows.append((f"P{100 + len(rows)}", f"{name}, {size}", shown, cents))
    return rows


def make_customers(chance):
    """Rows of customers.csv; the first five are the shop's own test accounts."""
    rows = [(f"C{i:05d}", f"TEST account {i}", "Washington", "test", 0, "2024-01-01") for i in range(5)]
    shares = cumulate([share for _, share, _ in STATES])
    for i in range(5, CUSTOMERS):
        state = STATES[chance.weighted(shares)][0]
        segment = ("new", "regular", "regular", "gold")[chance.below(4)]
        discount = {"new": 0, "regular": 25, "gold": 75}[segment]  # tenths of a percent
        since = FIRST_DAY - timedelta(days=chance.below(1500) - 200)
        name = f"{chance.one_of(GIVEN)} {chance.one_of(FAMILY)}"
        rows.append((f"C{i:05d}", name, state, segment, discount, since.strftime("%Y-%m-%d")))
    return rows


def state_as_typed(state, chance):
    if state == "Puerto Rico":
        return chance.one_of(PUERTO_RICO_AS)
    if chance.happens(0.01):
        return state + " "
    return state


def make_orders(chance, products, customers):
    """Rows of orders.csv, in the order in which the export wrote them."""
    days = [FIRST_DAY + timedelta(days=i) for i in range(DAYS)]
    # The shop grows by half over the two years; a day is as busy as its weekday and month, give or take.
    busy = cumulate(
        [
            WEEKDAY[day.weekday()] * MONTH[day.month - 1] * (1 + 0.5 * i / DAYS) * chance.around(1.0, 0.08)
            for i, day in enumerate(days)
        ]
    )
    likes = {state: like for state, _, like in STATES}
    popular = cumulate([1.0 / (1 + i % 7) for i in range(len(products))])
    loyal = cumulate([{"test": 1.5, "new": 0.6, "regular": 1.0, "gold": 2.2}[row[3]] for row in customers])
    when = sorted(chance.weighted(busy) for _ in range(ORDERS))
    rows = []
    for number, day_index in enumerate(when):
        customer = customers[chance.weighted(loyal)]
        product = products[chance.weighted(popular)]
        quantity = (1, 1, 1, 1, 2, 2, 3, 4)[chance.below(8)]
        till = chance.one_of(("web", "web", "web", "2", "4", "7"))
        moment = days[day_index] + timedelta(hours=chance.one_of(HOURS), minutes=chance.below(60))
        cents = int(product[3] * quantity * (1000 - customer[4]) / 1000 * likes[customer[2]])
        status = "paid"
        if chance.happens(0.03):
            cents, status = -cents, "refunded"
        elif chance.happens(0.012):
            cents, status = 1 + chance.below(300), "coupon"
        elif chance.happens(0.02):
            status = "open"
        if till == "7" and moment.year == 2026 and moment.month == 3 and 9 <= moment.day <= 15:
            cents *= 100
        amount = "" if chance.happens(0.015) else dollars(cents)
        written = moment.strftime("%d/%m/%Y %H:%M" if till == "7" else "%Y-%m-%d %H:%M:%S")
        state = state_as_typed(customer[2], chance)
        rows.append((f"O{100000 + number}", written, customer[0], product[0], quantity, amount, state, till, status))
    return [line for row in rows for line in exported(row, chance)]


def exported(row, chance):
    """The line, or two of it: the export runs over midnight and meets some orders twice."""
    if not chance.happens(0.02):
        return [row]
    again = row
    if row[-1] == "open":
        again = (*row[:-1], "paid")
    return [row, again]


def write(path, header, rows, *, delimiter=",", encoding="utf-8"):
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main(folder):
    chance = Chance(SEED)
    products = make_products(chance)
    customers = make_customers(chance)
    orders = make_orders(chance, products, customers)
    folder.mkdir(parents=True, exist_ok=True)
    write(
        folder / "orders.csv",
        ("order_id", "ordered_at", "customer_id", "product_id", "quantity", "amount", "state", "till", "status"),
        orders,
    )
    write(
        folder / "customers.csv",
        ("Customer No", "Name", "State", "Segment", "Discount %", "Customer since"),
        [
            (no, name, "" if i % 97 == 11 else state, segment, f"{discount // 10},{discount % 10}", since)
            for i, (no, name, state, segment, discount, since) in enumerate(customers)
        ],
        delimiter=";",
        encoding="utf-8-sig",
    )
    write(
        folder / "products.csv",
        ("product_id", "product", "category", "list_price"),
        [(no, name, category, dollars(cents)) for no, name, category, cents in products],
    )
    return len(orders), len(customers), len(products)


if __name__ == "__main__":
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "data"
    counts = main(into)
    print("{}: {} order lines, {} customers, {} products".format(into, *counts))
