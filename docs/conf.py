"""The site: ``tox run -e docs`` builds it into ``docs/_build/html``, without the network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes

import trio_bridge

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

sys.path.insert(0, str(Path(__file__).parent))

from elsewhere import address

project = "trio_bridge"
author = "trio_bridge's authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib_trio"]
exclude_patterns = ["_build"]
highlight_language = "text"
add_module_names = False
default_role = "code"
toc_object_entries_show_parents = "hide"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the arguments' text says more than their annotations
napoleon_numpy_docstring = False
napoleon_use_ivar = True

myst_heading_anchors = 3
myst_enable_extensions = ["attrs_block", "colon_fence"]

html_theme = "furo"
html_title = "trio_bridge"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False


def link_elsewhere(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """A link into the documentation of Python, Trio or pytest, without their inventories.

    With ``--nitpicky`` a name that isn't known there either is a warning.
    """
    names = node["reftarget"].split(", ")  # "TypeError, ValueError" of a docstring
    addresses = [address(name) for name in names]
    if None in addresses:
        return None
    if len(names) > 1:
        return content
    return nodes.reference("", "", content, internal=False, refuri=addresses[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    os.environ.pop("TRIO_BRIDGE_ENGINE", None)
    assert trio_bridge.EventLoopPolicy  # found by name only, as it is imported on use
    app.add_object_type("fixture", "fixture", objname="pytest fixture")
    app.add_object_type("marker", "marker", objname="pytest marker")
    app.connect("missing-reference", link_elsewhere)
