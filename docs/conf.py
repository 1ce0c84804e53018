"""How `make docs` builds the site: offline, tutorials executed unless TUTORIALS=off, every warning an error."""

from __future__ import annotations

import logging
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]
os.environ["PYTHONPATH"] = str(ROOT)  # for the tutorials: this tree, not an installed copy
os.environ["IPYTHONDIR"] = str(DOCS / "ipython")  # and these settings, not the user's own

import from_code  # noqa: E402 - it lies beside this file

project = "load_balancer"
author = "The load_balancer developers"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(collections|datetime|gymnasium|networkx|numpy|nx|os|pathlib|stable_baselines3|torch|typing)(\..*)?"),
    ("py:class", r"np\.ndarray"),
    ("py:class", r"(envs|grid|policies|topologies)(\.\w+)+\.\w+"),  # what public names use and do not offer themselves
    ("py:class", r"[A-Z]\w+"),  # imported for type checkers alone
]

html_theme = "furo"
html_title = "load_balancer"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sphinx = False

myst_enable_extensions = ["deflist", "substitution"]
myst_heading_anchors = 3
myst_substitutions = from_code.substitutions()
nb_execution_mode = os.environ.get("TUTORIALS", "force")  # "off": as they stand
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_output_stderr = "remove"
suppress_warnings = ["myst-nb.lexer"]  # where tutorials were not run, their language is unknown
logging.getLogger("traitlets").setLevel(logging.WARNING)  # of the client, which says which notebook it runs

autodoc_default_options = {"members": True, "undoc-members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True


def setup(app: Any) -> None:
    """Write the API reference before the pages are read, and let autodoc take up what stands beside fields."""
    from_code.write_reference(DOCS / "api")
    app.connect("autodoc-process-signature", from_code.without_factories)
    app.connect("autodoc-process-docstring", from_code.take_up_comments, priority=400)  # before napoleon
