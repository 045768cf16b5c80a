"""The README's links lead somewhere."""

from __future__ import annotations

import re

from release_build import ROOT

LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#([\w-]+))?\)")


def anchors(page):
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readmes_links_lead_somewhere():
    links = LINK.findall((ROOT / "README.md").read_text())
    assert len(links) > 20
    for name, anchor in links:
        assert (ROOT / name).exists(), name
        assert not anchor or anchor in anchors(ROOT / name), (name, anchor)
