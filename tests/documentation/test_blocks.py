"""Every block of code in the pages is run, is what a run printed, or is listed with its reason."""

from __future__ import annotations

import ast

import pytest

from documentation.blocks import DOCS, NOT_RUN, blocks, fate, pages

ALL = [block for page in pages() for block in blocks(page)]


def test_all_fences_are_found():
    fences = sum(
        line.startswith("```") for page in pages() for line in page.read_text().splitlines()
    )
    directives = sum(
        line.startswith("```{") for page in pages() for line in page.read_text().splitlines()
    )
    assert len(ALL) == fences / 2 - directives > 80


@pytest.mark.parametrize("block", ALL, ids=lambda block: block.name)
def test_it_has_a_fate(block):
    assert fate(block), (
        f"{block.page}, block {block.number} ({block.first_line!r}) is neither run nor what the "
        "program before it prints: list it in tests/documentation/not_run.toml with the reason"
    )


@pytest.mark.parametrize(
    "block", [block for block in ALL if fate(block) == "run"], ids=lambda block: block.name
)
def test_it_runs_when_it_is_pasted(block):
    """What its reader doesn't see defines nothing that it uses."""
    loaded, bound = names(block.text)
    assert not (loaded - bound) & names(block.before)[1]


def names(program):
    """The names that a program loads, and those that it binds."""
    loaded, bound = set(), set()
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(name.asname or name.name).partition(".")[0] for name in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
    return loaded, bound


def test_no_reason_is_left_over():
    for listed in NOT_RUN["block"]:
        assert any(
            block.page == listed["page"] and block.text.startswith(listed["begins"])
            for block in ALL
        ), listed
    for page in NOT_RUN["elsewhere"]:
        assert any(block.page.startswith(page) for block in ALL), page


def test_no_page_has_code_without_a_language():
    assert DOCS.is_dir()
    assert [block.name for block in ALL if not block.language] == []
