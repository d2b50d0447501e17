"""``python -m pilotline`` is ``pilotline``."""

from __future__ import annotations

import sys

from pilotline.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
