"""Which values a statement is said to have changed in place."""

from __future__ import annotations


def changes(seen, text):
    """Names changed, and names that may have changed."""
    one = seen.at(text)
    return one["changes"], one["unsure"]


def test_plain_containers_and_all_who_share_them(see):
    seen = see(
        "a = [1, 2]\nb = a\nholder = {'inside': a}\nother = [1, 2]\npair = (a, 5)",
        "b.append(3)",
        "holder['inside'][0] = True",
        "other.append(9)",
        "holder['x'] = 1",
        "n = len(a)",
        "s = {1, 2}\ns2 = s\nfrom collections import deque, OrderedDict, defaultdict, Counter",
        "s2.add(3)",
        "d = deque([1])\nd.append(2)",
        "dd = defaultdict(list)",
        "dd['k'].append(1)",
        "c = Counter('aab')",
        "c.update('b')",
        "buffer = bytearray(b'xyz')\nview = memoryview(buffer)",
        "view[0] = 65",
    )
    assert changes(seen, "b.append") == (["a", "b", "holder", "pair"], [])
    assert changes(seen, "holder['inside']") == (["a", "b", "holder", "pair"], [])
    assert changes(seen, "other.append") == (["other"], [])
    assert changes(seen, "holder['x']") == (["holder"], [])
    assert changes(seen, "n = len") == ([], [])
    assert changes(seen, "s2.add") == (["s", "s2"], [])
    assert changes(seen, "d.append") == (["d"], [])
    assert changes(seen, "dd['k']") == (["dd"], [])
    assert changes(seen, "c.update") == (["c"], [])
    assert changes(seen, "view[0]") == (["buffer", "view"], [])
    assert seen.at("a = [1")["state"]["a"] == {
        "type": "list", "mutable": True, "literal": "[1, 2]", "flat": True, "shape": [2], "of": ["int"],
    }  # fmt: skip


def test_equal_values_that_are_not_the_same_are_told_apart(see):
    seen = see(
        "import math\na = [1]\nb = [-1]\nc = [0.0]\nd = [math.nan]\ne = {'k': 1}\nbig = list(range(1000))",
        "a[0] = True",
        "b[0] = -2",
        "c[0] = -0.0",
        "d[0] = math.nan",
        "e['k'] = 1.0",
        "big[500] = 500.0",
        "big[500] = 500.0  # again",
    )
    assert changes(seen, "a[0]") == (["a"], [])
    assert changes(seen, "b[0]") == (["b"], [])
    assert changes(seen, "c[0]") == (["c"], [])
    assert changes(seen, "d[0]") == ([], [])
    assert changes(seen, "e['k']") == (["e"], [])
    assert changes(seen, "big[500] = 500.0  #") == ([], [])


def test_objects_of_the_notebooks_own_classes(see):
    seen = see(
        "class Account:\n    count = 0\n    __slots__ = ('owner', '__secret')\n    def __init__(self, owner):\n"
        "        self.owner = owner\n        self.__secret = [0]\n        Account.count += 1\n"
        "    def pay(self, n):\n        self.__secret.append(n)",
        "class Node:\n    def __init__(self):\n        self.next = self",
        "class Stack(list):\n    pass",
        "account = Account('x')",
        "node = Node()\nstack = Stack([1])",
        "account.pay(5)",
        "node.next.label = 'self'",
        "stack.append(2)",
        "stack.mark = 1",
        "second = Account('y')",
    )
    assert changes(seen, "account.pay") == (["account"], [])
    assert changes(seen, "node.next") == (["node"], [])
    assert changes(seen, "stack.append") == (["stack"], [])
    assert changes(seen, "stack.mark") == (["stack"], [])
    assert "Account" in changes(seen, "second =")[0]
    assert seen.at("account =")["state"]["account"]["classes"] == ["Account"]
    assert seen.at("account =")["state"]["account"]["type"] == "__main__.Account"
    assert "shares" not in seen.at("second =")["state"]["second"]


def test_objects_that_fight_back_never_break_the_session(see):
    seen = see(
        "class Nasty:\n    def __getattr__(self, n):\n        raise RuntimeError(n)\n    def __eq__(self, o):\n"
        "        raise RuntimeError('eq')\n    __hash__ = None\n    def __len__(self):\n        raise RuntimeError\n"
        "    def __repr__(self):\n        raise RuntimeError('repr')\n    def __reduce_ex__(self, p):\n"
        "        raise RuntimeError\n    def __iter__(self):\n        raise RuntimeError\n    def __bool__(self):\n"
        "        raise RuntimeError\n    @property\n    def touch(self):\n        raise RuntimeError\n"
        "    @property\n    def __class__(self):\n        raise RuntimeError('class')\n    @property\n"
        "    def __dict__(self):\n        raise RuntimeError('dict')",
        "class Counting:\n    reads = []\n    def __getattribute__(self, n):\n        Counting.reads.append(n)\n"
        "        return object.__getattribute__(self, n)",
        "nasty = Nasty()\nboth = [nasty, Counting()]\ncounting = both[1]",
        "nasty",
        "class Meta(type):\n    def __eq__(cls, o):\n        raise RuntimeError\n    __hash__ = type.__hash__\n"
        "    def __instancecheck__(cls, o):\n        raise RuntimeError('instance')\n"
        "class Odd(metaclass=Meta):\n    pass\nodd = Odd()",
        "n = len(Counting.reads)",
        "deep = []\nfor _ in range(50000):\n    deep = [deep]",
        "deep.append(1)",
    )
    assert seen.error is None
    assert seen.at("n = len")["state"]["n"]["literal"] == "0"
    assert seen.shown(4)["text"] == "<Nasty: its text failed with RuntimeError>"
    assert changes(seen, "deep.append") == (["deep"], [])


def test_what_cannot_be_looked_into_may_have_changed(see):
    seen = see(
        "import threading\nsquares = (n * n for n in range(5))\nlock = threading.Lock()\nfile = open('x.txt', 'w')",
        "box = {'generator': squares}",
        "first = next(squares)",
        "file.write('a')",
        "nothing = 1",
    )
    assert changes(seen, "first =") == ([], ["box", "squares"])
    assert changes(seen, "file.write") == ([], ["file"])
    assert changes(seen, "nothing") == ([], [])
    state = {name: info for one in seen.answer["statements"] for name, info in one["state"].items()}
    assert {name: list(state[name].get("holds", {})) for name in ("squares", "lock", "file", "box")} == {
        "squares": ["generators"],
        "lock": ["locks"],
        "file": ["files"],
        "box": ["generators"],
    }


def test_functions_with_state_of_their_own(see):
    seen = see(
        "def collect(x, seen=[]):\n    seen.append(x)\n    return seen",
        "def counter():\n    n = [0]\n    def step():\n        n[0] += 1\n        return n[0]\n    return step",
        "tick = counter()",
        "collect(1)",
        "tick()",
        "it = iter([1, 2, 3])",
        "next(it)",
    )
    assert changes(seen, "collect(1)") == (["collect"], [])
    assert changes(seen, "tick()") == (["tick"], [])
    assert changes(seen, "next(it)") == (["it"], [])
    assert "closures" in seen.at("tick = ")["state"]["tick"]["holds"]


def test_a_value_changed_behind_the_notebooks_back_makes_its_readers_unsure(see):
    seen = see(
        "import json\nshared = [1]\njson.kept = shared",
        "def poke():\n    import json as j\n    j.kept.append(2)",
        "poke()",
    )
    assert changes(seen, "poke()") == ([], ["shared"])


def test_arrays_and_all_views_of_their_memory(see):
    seen = see(
        "import numpy as np\na = np.arange(6.0)\nview = a[::2]\nmatrix = a.reshape(2, 3)\ncopy = a.copy()",
        "view[0] = 9",
        "matrix.T[0, 1] = 8",
        "copy[0] = 1",
        "t = a.sum()",
        "objects = np.array([[1], 'x'], dtype=object)\nstrings = np.array(['a', 'b'], dtype=object)",
        "objects[0].append(2)",
        "strings[1] = 'c'",
        "a.shape = (3, 2)",
        "wide = np.broadcast_to(np.float64(1), (10**6, 10**6))",
        "record = np.zeros(2, dtype=[('x', 'i4'), ('y', 'f8')])\nmasked = np.ma.array([1, 2, 3], mask=[0, 0, 1])",
        "record['y'][1] = 5",
        "masked.mask[0] = True",
        "masked[1] = np.ma.masked",
        "when = np.array(['2020-01-01'], dtype='M8[D]')",
        "when[0] += 1",
        "rng = np.random.default_rng(1)\nrs = np.random.RandomState(1)",
        "x = rng.random()",
        "y = rs.rand()",
        "frozen = [np.float64(k) for k in range(20)]",
        "frozen[3] = np.float64(-1)",
        "a.sort(axis=0)",
    )
    assert seen.error is None
    assert changes(seen, "view[0]") == (["a", "matrix", "view"], [])
    assert changes(seen, "matrix.T") == (["a", "matrix"], [])
    assert changes(seen, "copy[0]") == (["copy"], [])
    assert changes(seen, "t = a") == ([], [])
    assert changes(seen, "objects[0]") == (["objects"], [])
    assert changes(seen, "strings[1]") == (["strings"], [])
    assert changes(seen, "a.shape") == (["a"], [])
    assert changes(seen, "record['y']") == (["record"], [])
    assert changes(seen, "masked[1]") == (["masked"], [])
    assert changes(seen, "when[0]") == (["when"], [])
    assert changes(seen, "x = rng") == (["rng"], [])
    assert changes(seen, "y = rs") == (["rs"], [])
    assert changes(seen, "frozen[3]") == (["frozen"], [])
    assert seen.at("import numpy")["binds"] == ["np"]
    assert seen.at("view = a")["state"]["view"]["shares"] == ["a"]
    assert "shares" not in seen.at("copy = a")["state"]["copy"]


def test_frames_and_what_shares_with_them(see):
    seen = see(
        "import pandas as pd, numpy as np",
        "df = pd.DataFrame({'a': [1, 2, 3], 'b': ['x', 'y', 'z'], 'c': pd.Categorical(['u', 'v', 'u'])})",
        "alias = df\nframes = [df]\ncolumn = df['a'].copy()\nsmall = df[['a']]",
        "df.loc[df['a'] > 1, 'b'] = 'q'",
        "frames[0]['new'] = 1.5",
        "alias.columns = list('wxyz')",
        "df.drop(columns='z', inplace=True)",
        "df.index.name = 'id'",
        "df.attrs['source'] = 'shop'",
        "column.iloc[0] = 7",
        "column.name = 'other'",
        "df.describe()",
        "df.head()",
        "n = df['w'].sum() + len(df.values) + df.isna().sum().sum()",
        "df = df.reset_index()",
        "df['y'] = df['y'].cat.rename_categories({'u': 'U'})",
        "df.sort_values('w', ascending=False, inplace=True)",
        "times = pd.DataFrame({'t': pd.to_datetime(['2020-01-01', '2021-01-01'])}, index=[('a', 1), ('b', 2)])",
        "times.iloc[0, 0] = pd.Timestamp('1999-01-01')",
        "nullable = pd.array([1, None, 3], dtype='Int64')",
        "nullable[1] = 2",
        "listy = pd.DataFrame({'l': [[1], [2]]})",
        "listy['l'].iloc[0].append(5)",
        "small.loc[0, 'a'] = 100",
        "many = pd.DataFrame(np.zeros((5, 100)))",
        "many.iloc[2, 50] = 1",
        "groups = df.groupby('w')",
        "totals = groups.size()",
    )
    assert seen.error is None
    for text in ("df.loc[", "frames[0]", "alias.columns", "df.drop", "df.index.name", "df.attrs"):
        changed, unsure = changes(seen, text)
        assert {"alias", "df", "frames"} <= set(changed), text
        assert not {"column"} & set(changed), text
        assert unsure == [], text
    assert "small" not in changes(seen, "df.loc[")[0]
    for text in ("column.iloc", "column.name"):
        assert changes(seen, text) == (["column"], [])
    for text in ("df.describe", "df.head", "n = df", "totals ="):
        assert changes(seen, text) == ([], []), text
    assert changes(seen, "df['y'] =") == (["df"], [])
    assert changes(seen, "df.sort_values") == (["df"], [])
    assert changes(seen, "times.iloc") == (["times"], [])
    assert changes(seen, "nullable[1]") == (["nullable"], [])
    assert changes(seen, "listy['l']") == (["listy"], [])
    assert changes(seen, "small.loc")[0] == ["small"]
    assert changes(seen, "many.iloc") == (["many"], [])
    state = seen.at("df = pd")["state"]["df"]
    assert (state["type"], state["shape"], list(state["columns"])) == ("pandas.DataFrame", [3, 3], ["a", "b", "c"])


def test_models_that_learn_and_are_set(see):
    seen = see(
        "import numpy as np\nfrom sklearn.linear_model import SGDRegressor, LinearRegression\n"
        "from sklearn.ensemble import RandomForestClassifier\nfrom sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler, FunctionTransformer",
        "X = np.arange(20.0).reshape(10, 2)\ny = X[:, 0]\nFACTOR = 2",
        "def twice(a):\n    return a * FACTOR",
        "linear = LinearRegression()\nsgd = SGDRegressor()\nforest = RandomForestClassifier(5, random_state=0)",
        "pipe = make_pipeline(FunctionTransformer(twice), StandardScaler(), linear)",
        "pipe.fit(X, y)",
        "sgd.partial_fit(X, y)",
        "sgd.set_params(alpha=0.5)",
        "forest.fit(X, y > 9)",
        "forest.score(X, y > 9)",
        "p = pipe.predict(X)",
    )
    assert seen.error is None
    # A pipeline fits its steps, not copies of them.
    assert changes(seen, "pipe.fit") == (["linear", "pipe"], [])
    assert {"FACTOR", "X", "pipe", "y"} <= set(seen.at("pipe.fit")["reads"])
    assert changes(seen, "sgd.partial_fit") == (["sgd"], [])
    assert changes(seen, "sgd.set_params") == (["sgd"], [])
    assert changes(seen, "forest.fit") == (["forest"], [])
    assert changes(seen, "forest.score") == ([], [])
    assert changes(seen, "p = pipe") == ([], [])
    assert (seen.at("pipe = ")["state"]["pipe"].get("fitted"), seen.at("pipe.fit")["state"]["pipe"]["fitted"]) == (
        None,
        True,
    )
    assert seen.at("pipe = ")["state"]["pipe"]["functions"] == ["twice"]
    assert seen.at("linear =")["state"]["linear"]["type"] == "sklearn.linear_model.LinearRegression"


def test_polars_and_arrow_are_cheap_and_right(see):
    seen = see(
        "import polars as pl\nimport pyarrow as pa",
        "df = pl.DataFrame({'a': [1, 2], 'b': ['x', 'y'], 'c': [[1], [2]]})\ntable = pa.table({'a': [1, 2]})",
        "same = df\nmore = df.with_columns(pl.col('a') + 1)",
        "df[0, 'a'] = 10",
        "df.columns = ['x', 'y', 'z']",
        "n = df['x'].sum() + table.num_rows",
    )
    assert seen.error is None
    assert changes(seen, "df[0") == (["df", "same"], [])
    assert changes(seen, "df.columns") == (["df", "same"], [])
    assert changes(seen, "n = df") == ([], [])
