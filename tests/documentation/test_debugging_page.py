"""``docs/debugging.md`` shows what its programs print, and a session that happened."""

from __future__ import annotations

import sys

import pytest

from documentation import debugging_page


@pytest.mark.skipif(sys.version_info < (3, 13), reason="breakpoint() stops one line later")
def test_the_page_shows_what_its_programs_print():
    page = debugging_page.PAGE.read_text()
    assert debugging_page.written(page) == page, "python tests/documentation/debugging_page.py"
