"""Values that a request wants to have, written as plain data while the notebook runs."""

import os


class Captures:
    """Writes the wanted values of one session.

    Args:
        session: the session whose namespace is looked at.
        wanted: the request's ``capture`` list.
        folder: where to write; needed when anything is wanted.
    """

    def __init__(self, session, wanted, folder):
        self._session = session
        self._folder = folder
        self.result = [dict(one, path=None, why="the notebook stopped before") for one in wanted]
        self._cells = {one["cell"]: place for place, one in enumerate(wanted) if "cell" in one}
        self._rank = {}
        self._after = {}
        for place, one in enumerate(wanted):
            if one.get("after"):
                self._after.setdefault(tuple(one["after"]), []).append(place)

    def on_shown(self, cell, value, how):
        """A cell shows a value; it is written at once, since it may change later on."""
        from .kinds import is_figure

        place = self._cells.get(cell)
        if place is None:
            return
        rank = {"print": 1, "display": 2, "expression": 3}[how]
        if is_figure(value):
            rank = 0
        if rank >= self._rank.get(place, 0):
            self._rank[place] = rank
            self._write(place, value)

    def after_cell(self, cell, best):
        """A cell is through."""
        place = self._cells.get(cell)
        if place is not None and best is None and self.result[place]["path"] is None:
            self.result[place]["why"] = "the cell shows no value"

    def after_statement(self, statement):
        """A statement is through: write what is wanted as it is at this point."""
        for place in self._after.get((statement.cell, statement.index), ()):
            self._name(place)

    def at_the_end(self):
        """Write the names that are wanted as they are in the end."""
        for place, one in enumerate(self.result):
            if "name" in one and not one.get("after"):
                self._name(place)
            elif "file" in one:
                self._file(place, os.path.join(self._session.places.folder, one["file"]))

    def _name(self, place):
        name = self.result[place]["name"]
        if name in self._session.namespace:
            self._write(place, self._session.namespace[name])
        else:
            self.result[place]["why"] = "there is no such name"

    def _file(self, place, path):
        from .portable import WrittenFile

        if os.path.isfile(path):
            self._write(place, WrittenFile(path))
        else:
            self.result[place]["why"] = "the file was not written"

    def _write(self, place, value):
        from . import portable

        portable.settle((self._session.places.folder, self._session.places.real))
        path = os.path.join(self._folder, f"{place}.value")
        try:
            portable.dump(value, path)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.result[place].update(path=None, why=f"{type(error).__name__}: {error}"[:500])
        else:
            self.result[place].update(path=path, why=None)
