"""Code that runs as a guest in the user's own interpreter.

Standard library only, Python 3.9 and later, no import from the rest of the house. The tool starts it by path
(``python .../guest/boot.py REQUEST.json``), so a project's environment needs nothing installed. What passes between
the two is JSON files and pickles named in the request; ``PROTOCOL`` counts its incompatible changes.
"""

PROTOCOL = 1
