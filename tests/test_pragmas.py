"""Lines that coverage leaves out say why, on the same line."""

from __future__ import annotations

import re
from pathlib import Path

import trio_bridge

PACKAGE = Path(trio_bridge.__file__).parent
PRAGMA = re.compile(r"#\s*pragma:\s*no (?:cover|branch)(.*)")


def test_every_line_that_coverage_leaves_out_says_why():
    reasons = [
        reason
        for path in PACKAGE.rglob("*.py")
        for reason in PRAGMA.findall(path.read_text(encoding="utf-8"))
    ]
    assert reasons
    for reason in reasons:
        assert re.match(r" -- \w.{15,}", reason), reason
