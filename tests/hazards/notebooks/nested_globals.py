# %%
total = 0
log = []


def outer(step):
    count = 0

    def inner():
        nonlocal count
        global total
        count += step
        total += count
        return count

    return inner


# %%
by_two = outer(2)
by_two()
# %%
by_five = outer(5)
by_five(), by_two()
# %%
def note():
    log.append(total)


note()
by_two()
# %%
final = total * 1000 + log[0] * 10 + by_five()
