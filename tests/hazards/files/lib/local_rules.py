"""Rules that a notebook imports from a folder beside it."""

RATE = 2
SEEN = []


def discounted(amount):
    return amount * RATE
