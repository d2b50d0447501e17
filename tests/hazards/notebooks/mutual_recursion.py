# %%
def is_even(number):
    return True if number == 0 else is_odd(number - 1)


# %%
def is_odd(number):
    return False if number == 0 else is_even(number - 1)


# %%
DEPTH = 3


def walk(tree):
    return sum(walk(part) if isinstance(part, list) else part * DEPTH for part in tree)


# %%
tree = [1, [2, [3, 4]], 5]
tree[1].append(tree[1][1])
# %%
final = walk(tree) * 10 + is_even(10) + is_odd(7)
