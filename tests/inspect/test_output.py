"""The tree as text, in colour, as JSON and as a page; and how long that takes."""

from __future__ import annotations

import asyncio
import io
import json
import time
import xml.etree.ElementTree as ET

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import trio2aio
from trio_bridge.inspect import Frame, Node, Tree, print_tree, tree, write_html


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def colours(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


SAMPLE = Tree(
    (
        Node(
            "Trio run",
            "",
            thread="main",
            children=(
                Node(
                    "Trio task",
                    "<b>&\n\x1b[31m",
                    is_running=True,
                    stack=(
                        Frame("f.<locals>.g", "/nowhere/x.py", 3, 'await h("<&>")'),
                        Frame("sleep", "/nowhere/long/y.pyx", 0, ""),
                    ),
                    children=(
                        Node("nursery", "", deadline=2.5, is_shielded=True),
                        Node("cancel scope", "", deadline=-1, is_cancelled=True),
                        Node("asyncio task", "Task-1", function="g", waits_for=tuple("abcde")),
                    ),
                ),
            ),
        ),
        Node("asyncio loop", "Loop", thread="main"),
    )
)
TEXT = r"""Trio run in thread main
└─ Trio task <b>&\n\x1b[31m, running
   │  f.<locals>.g  /nowhere/x.py:3      await h("<&>")
   │  sleep         /nowhere/long/y.pyx
   ├─ nursery, deadline in 2.5 s, shielded
   ├─ cancel scope, deadline 1 s ago, cancelled
   └─ asyncio task Task-1 g, waits for a, b, c and 2 more
asyncio loop Loop in thread main"""


async def programs_tree():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 1000)
        nursery.start_soon(trio2aio(asyncio.sleep), 1000)
        await trio.testing.wait_all_tasks_blocked()
        seen = tree()
        nursery.cancel_scope.cancel()
    return seen


def test_the_text():
    assert str(SAMPLE) == TEXT
    assert str(Tree(())) == "no Trio run and no asyncio loop"


async def test_print_tree_writes_the_text(capsys):
    printed, file = io.StringIO(), io.StringIO()
    for print_here in (print_tree, lambda: print_tree(file), lambda: printed.write(f"{tree()}\n")):
        print_here()  # on one line, so that all have the same stack, but for the lambda
    out = capsys.readouterr().out
    assert out.startswith("Trio run in thread MainThread\n└─ Trio task ")
    assert "print_here()" in out
    texts = [out, file.getvalue(), printed.getvalue()]
    assert len({"\n".join(x for x in text.splitlines() if ".py" not in x) for text in texts}) == 1


async def test_a_file_gets_what_its_encoding_can_hold():
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    print_tree(file)
    text = raw.getvalue().decode("ascii")
    assert text.startswith("Trio run in thread MainThread\n`- Trio task ")


async def test_a_terminal_gets_colour_and_the_same_text(colours):
    text = pytest.importorskip("rich.text")
    terminal = Terminal()
    print_tree(terminal)
    shown = terminal.getvalue()
    assert "\x1b[1;32mTrio task\x1b[0m" in shown
    plain = io.StringIO()
    print_tree(plain)
    same = text.Text.from_ansi(shown).plain.replace("print_tree(terminal)", "print_tree(plain)")
    ours = [line for line in same.splitlines() if "print_tree" not in line]
    assert ours == [line for line in plain.getvalue().splitlines() if "print_tree" not in line]


async def test_no_color_is_heeded(colours, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    print_tree(terminal)
    assert "\x1b[3" not in terminal.getvalue()


def test_without_rich_a_terminal_gets_plain_text(run_script):
    script = """
import sys
sys.modules["rich"] = sys.modules["rich.console"] = None

import trio_bridge

class Terminal:
    encoding = "utf-8"
    def isatty(self): return True
    def write(self, text): sys.stdout.write(text)

async def main():
    trio_bridge.inspect.print_tree(Terminal())

trio_bridge.run(main)
"""
    result = run_script(script)
    assert (result.stderr, result.returncode) == ("", 0)
    assert result.stdout.startswith("Trio run in thread MainThread\n└─ Trio task __main__.main")


async def test_json_there_and_back():
    for seen in (SAMPLE, await programs_tree()):
        assert Tree.from_json(json.loads(json.dumps(seen.to_json()))) == seen


def test_the_json_is_what_the_documentation_says():
    node = SAMPLE.to_json()["roots"][0]["children"][0]
    assert node == {
        "kind": "Trio task",
        "name": "<b>&\n\x1b[31m",
        "function": "",
        "waits_for": [],
        "thread": "",
        "deadline": None,
        "is_shielded": False,
        "is_cancelled": False,
        "is_running": True,
        "stack": [
            {
                "function": "f.<locals>.g",
                "file": "/nowhere/x.py",
                "line": 3,
                "code": 'await h("<&>")',
            },
            {"function": "sleep", "file": "/nowhere/long/y.pyx", "line": 0, "code": ""},
        ],
        "children": [child.to_json()["roots"][0] for child in map(lone, range(3))],
    }


def lone(n):
    return Tree((SAMPLE.roots[0].children[0].children[n],))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"roots": 3},
        {"roots": [{}]},
        {"roots": [{**lone(0).to_json()["roots"][0], "kind": "?"}]},
    ],
)
def test_json_that_is_no_tree_is_refused(data):
    with pytest.raises(ValueError, match=r"Tree\.from_json\(json\.loads"):
        Tree.from_json(data)


# ---- the page


def page_of(seen, tmp_path):
    path = tmp_path / "tree.html"
    write_html(path, seen)
    text = path.read_text(encoding="utf-8")
    # An HTML page that is XML too: a reader that is strict finds what is not closed.
    return text, ET.fromstring(text)


X = "{http://www.w3.org/1999/xhtml}"


async def test_the_page_has_all_nodes_in_place_and_all_frames(tmp_path):
    for seen in (SAMPLE, await programs_tree()):
        _, page = page_of(seen, tmp_path)
        shown = []

        def walk(element, depth, shown=shown):
            for child in element:
                if "node" in child.get("class", "").split():
                    line = child.find(f"{X}summary") if child.tag == f"{X}details" else child
                    shown.append((depth, "".join(line.itertext())))
                    walk(child, depth + 1)

        walk(page.find(f".//{X}main"), 0)
        expected = [
            (depth, line)
            for depth, line in zip(
                (depth for depth, _ in seen.walk()),
                (
                    line.lstrip("│├└─ ")
                    for line in str(seen).splitlines()
                    if "  " not in line.lstrip("│├└─ ")
                ),
                strict=True,
            )
        ]
        assert shown == expected
        cells = [[cell.text or "" for cell in row] for row in page.iter(f"{X}tr")]
        frames = [frame for _, node in seen.walk() for frame in node.stack]
        assert [(cell[0], cell[2]) for cell in cells] == [(f.function, f.code) for f in frames]


def test_the_page_needs_nothing_else(tmp_path):
    text, page = page_of(SAMPLE, tmp_path)
    assert "default-src 'none'" in text
    assert not [e for e in page.iter() if e.get("src") or e.get("href") or e.tag == f"{X}link"]
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text


def test_the_page_of_nothing(tmp_path):
    _, page = page_of(Tree(()), tmp_path)
    assert "no Trio run and no asyncio loop" in "".join(page.itertext())


async def test_write_html_looks_by_itself(tmp_path):
    write_html(str(tmp_path / "tree.html"))
    assert "write_html(str(tmp_path" in (tmp_path / "tree.html").read_text()


# ---- how long it takes


@pytest.mark.parametrize("make_file", [io.StringIO, Terminal], ids=["plain", "colour"])
async def test_ten_thousand_tasks_take_less_than_two_seconds(make_file, colours):
    async def asyncio_code():
        await asyncio.sleep(1000)

    async def trio_code():
        with trio.move_on_after(1000):
            await trio.sleep_forever()

    async with trio_bridge.open_asyncio_nursery() as nursery:
        async with trio.open_nursery() as trio_nursery:
            create_tasks = trio2aio(
                lambda: [asyncio.create_task(asyncio_code()) for _ in range(5000)]
            )
            held = create_tasks()
            for _ in range(5000):
                trio_nursery.start_soon(trio_code)
            await trio.testing.wait_all_tasks_blocked()
            file = make_file()
            start = time.process_time()
            print_tree(file)
            seconds = time.process_time() - start
            trio_nursery.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
    assert file.getvalue().count("asyncio task") == len(held) == 5000
    assert file.getvalue().count("trio_code") >= 5000
    assert seconds < 2
