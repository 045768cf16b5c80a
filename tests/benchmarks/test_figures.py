"""The page's tables are what was measured, and say which bars don't hold."""

from __future__ import annotations

import sys

import benchmark_scripts  # noqa: F401 -- makes these importable

import figures  # isort: skip
from results import Results  # isort: skip
from timing import Times  # isort: skip


def kept(directory, python, ours):
    results = Results({"python": f"CPython {python}", "date": "2026-11-26", "cores": 2}, 3, 1)
    rounds = {
        "stock": [Times(1.0, 1.0)] * 3,
        "bridge-selector": [Times(seconds, 1.0) for seconds in ours],
    }
    results.add("timers", rounds, {})
    path = directory / f"{python}.json"
    results.save(path)
    return path


def test_the_page_gets_its_tables(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{figures.BEGIN}old\n{figures.END}after\n")
    monkeypatch.setattr(figures, "PAGE", page)
    files = [
        kept(tmp_path, "3.13.0", [1.0, 1.1, 1.2]),
        kept(tmp_path, "3.14.8", [1.1, 1.3, 1.2]),
    ]
    monkeypatch.setattr(sys, "argv", ["figures.py", *map(str, files)])
    figures.main()
    figures.main()  # what it has written it finds again
    text = page.read_text()
    assert "of 3 (scale 1) and 3 (scale 1) rounds" in text
    assert text.startswith(f"before\n{figures.BEGIN}CPython 3.13.0, 3.14.8; 2026-11-26, 2 shared")
    assert text.endswith(f"\n\n{figures.END}after\n")
    assert "| selector engine, of stock asyncio | bar | 3.13 | 3.14 |\n" in text
    assert "| timers | 1.15 | 1.10 (1.00 to 1.20) | **1.20 (1.10 to 1.30)** |\n" in text
    assert "\nold\n" not in text
    assert text.count("| sleep(0) | 1.15 |  |  |") == 2  # nobody has measured it
