"""Whose code a frame runs."""

from __future__ import annotations

import inspect

import pytest

from trio_bridge import _frames


def frame_of(module_globals):
    exec("import inspect\nframe = inspect.currentframe()", module_globals)
    return module_globals.pop("frame")


@pytest.mark.parametrize(
    ("module_globals", "module", "package"),
    [
        ({"__name__": "asyncio.events"}, "asyncio.events", "asyncio"),
        ({"__name__": "asyncio_extras"}, "asyncio_extras", "asyncio_extras"),
        ({"__name__": "trio_bridge._pump"}, "trio_bridge._pump", "trio_bridge"),
        ({}, "", ""),
        ({"__name__": None}, "", ""),
        ({"__name__": ["no", "name"]}, "", ""),
    ],
)
def test_a_frame_belongs_to_its_module(module_globals, module, package):
    frame = frame_of(module_globals)
    assert _frames.package_of(frame) == package
    assert _frames.module_of(frame) == module
    assert _frames.is_ours(frame) == (package == "trio_bridge")


def test_a_test_is_not_ours():
    assert not _frames.is_ours(inspect.currentframe())
