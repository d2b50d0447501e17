"""What the code of a function uses: its global names, its string constants, the attributes it asks for."""

import dis
import types

_GLOBAL_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_GLOBAL_WRITES = {"STORE_GLOBAL", "DELETE_GLOBAL"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR"}


class CodeFacts:
    """What one code object, with the code nested in it, uses.

    Attributes:
        reads: global names looked up.
        writes: global names bound or deleted (``global x``).
        attributes: attribute names.
        strings: string constants.
    """

    __slots__ = ("attributes", "code", "reads", "strings", "writes")

    def __init__(self, code):
        # Kept, so that its id stays its own.
        self.code = code
        self.reads = set()
        self.writes = set()
        self.attributes = set()
        self.strings = set()


_facts = {}


def facts_of(code):
    """The ``CodeFacts`` of a code object."""
    found = _facts.get(id(code))
    if found is None:
        found = _facts[id(code)] = CodeFacts(code)
        todo = [code]
        while todo:
            part = todo.pop()
            _read(part, found)
            todo.extend(constant for constant in part.co_consts if isinstance(constant, types.CodeType))
    return found


def _read(code, into):
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in _GLOBAL_READS:
            into.reads.add(instruction.argval)
        elif name in _GLOBAL_WRITES:
            into.reads.add(instruction.argval)
            into.writes.add(instruction.argval)
        elif name in _ATTRIBUTES:
            into.attributes.add(instruction.argval)
    for constant in code.co_consts:
        if type(constant) is str:
            into.strings.add(constant)
        elif type(constant) in {tuple, frozenset}:
            into.strings.update(part for part in constant if type(part) is str)
