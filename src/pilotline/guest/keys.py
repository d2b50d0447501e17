"""Content keys: what a step's results depend on, as one short text. Read by the tool and by the guest alike.

    base(step)  = hash(recipe(step), final keys of the results it takes)
    final(step) = base                                     for most steps
                  hash(base, state of each generator)      where it draws random numbers
                  hash(base, run)                          where it reached what no key can cover

The recipe is made by the tool: code, constants, parameters, contents of files, snapshots of tables, environment. The
state of a generator is named by the seed and by the code that runs when the module is imported, which may draw too, then
by the final key of the last step that drew from it: so it is known without a generator. That a step draws or reaches outside is found when it first runs and stands beside its results,
under its base key.
"""

import hashlib

LENGTH = 40


def digest(*parts):
    """One short text for several, none of which can be mistaken for part of another."""
    state = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(data))
        state.update(data)
    return state.hexdigest()[:LENGTH]


def repeatable(reach, kinds):
    """Whether something that a step reached is of a kind that the contract takes for repeatable."""
    word = reach.partition(":")[0]
    return word in kinds or ("files" in kinds and word in ("read", "wrote", "lists"))


def base_key(recipe, taken):
    """The base key of a step.

    Args:
        recipe: what the tool knows of it.
        taken: ``(final key, index)`` of every result that it takes, in order.
    """
    return digest("base", recipe, *("%s/%d" % (final, index) for final, index in taken))


class Generators:
    """Names for the states that the global random generators are in.

    Args:
        seed: what they are set to; None leaves them to chance.
        importing: a digest of the code that runs when the module is imported; empty where there is none that could draw.
    """

    def __init__(self, seed, importing=""):
        self.seed = seed
        self.start = ("seed %s %s" % (seed, importing)).rstrip()
        self.last = {}

    def state(self, generator):
        """The name of the state of one generator."""
        return self.last.get(generator, self.start)

    def drawn(self, generators, final):
        """A step of that final key drew from these."""
        for generator in generators:
            self.last[generator] = "after %s" % final


def final_key(base, facts, generators, run):
    """The final key of a step.

    Args:
        base: its base key.
        facts: ``draws`` and ``reaches`` as found when it ran; None where it never did.
        generators: the states before it.
        run: the run that it is part of.
    """
    if not facts:
        return base
    final = base
    if facts.get("reaches"):
        final = digest("run", final, run)
    draws = sorted(facts.get("draws") or ())
    if draws:
        if generators.seed is None:
            return digest("chance", final, run)
        final = digest("random", final, *("%s %s" % (each, generators.state(each)) for each in draws))
    return final
