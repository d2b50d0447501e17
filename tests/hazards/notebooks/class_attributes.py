# %%
class Counter:
    total = 0
    registry = []

    def __init__(self, name):
        self.name = name
        Counter.registry.append(name)

    def add(self, by):
        type(self).total += by


# %%
one = Counter("one")
one.add(5)
# %%
two = Counter("two")
two.add(7)
Counter.bonus = 100
# %%
one.registry.append("three")
Counter.add = lambda self, by: setattr(Counter, "total", Counter.total + 2 * by)
# %%
two.add(1)
final = Counter.total + len(two.registry) * 1000 + one.bonus
