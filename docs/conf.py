"""Sphinx reads plain Markdown here; nothing of the package is imported."""

from __future__ import annotations

import re
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent / "src" / "pilotline" / "__init__.py"

project = "Pilotline"
author = "The Pilotline maintainers"
project_copyright = "The Pilotline maintainers, Apache License 2.0"
release = re.findall(r'__version__ = "(.+)"', _PACKAGE.read_text(encoding="utf-8"))[0]

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"Pilotline {release}"
html_static_path = []
html_copy_source = False
html_show_sphinx = False
