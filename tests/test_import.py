"""Importing changes nothing in asyncio, warns about nothing; and the house's order of imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import trio_bridge

PACKAGE = Path(trio_bridge.__file__).parent

CHANGES_NOTHING = """
import asyncio, asyncio.base_events, asyncio.events, asyncio.tasks, asyncio.unix_events
import signal, sys, threading, warnings
import trio, sniffio

def state():
    modules = {name: dict(vars(module)) for name, module in sys.modules.items()
               if name.split(".")[0] in ("asyncio", "_asyncio", "trio", "sniffio", "selectors")}
    classes = {cls: dict(vars(cls)) for module in modules.values() for cls in module.values()
               if isinstance(cls, type)
               and cls.__module__.split(".")[0] in ("asyncio", "_asyncio", "trio", "selectors")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        policy = getattr(asyncio.events, "_event_loop_policy", None)
    return dict(
        modules=modules, classes=classes, policy=policy, hooks=sys.get_asyncgen_hooks(),
        origin=sys.get_coroutine_origin_tracking_depth(), running=asyncio._get_running_loop(),
        sigint=signal.getsignal(signal.SIGINT), threads=threading.enumerate(),
        filters=list(warnings.filters),
    )

before = state()
import trio_bridge
after = state()
for key in before:
    if key == "modules":
        for name in before[key]:
            new = {n: v for n, v in after[key][name].items() if before[key][name].get(n) is not v}
            assert all(isinstance(v, type(sys)) for v in new.values()), (name, new)
    else:
        assert before[key] == after[key], key
print("nothing changed")
"""


def test_4_6_importing_changes_nothing_and_warns_about_nothing(run_script):
    result = run_script(CHANGES_NOTHING, args=("-W", "error"))
    assert (result.stdout, result.stderr) == ("nothing changed\n", "")


def test_every_public_name_is_there_and_documented():
    for name in trio_bridge.__all__:
        assert getattr(trio_bridge, name).__doc__, name
    assert trio_bridge.aio_as_trio is trio_bridge.trio2aio
    assert trio_bridge.trio_as_aio is trio_bridge.aio2trio


# Who may import whom, at runtime: each part, and the parts that it may import.
MAY_IMPORT = {
    "__init__": {
        *("_asyncio_first", "_bridge", "_moved_names", "_nursery", "_policy", "_run", "_views"),
        "inspect",
    },
    "__main__": {"_engines", "_launcher", "_policy", "_tree_signal"},
    "_debugger": {"_crossing", "_frames"},
    "_launcher": {"_asyncio_first"},
    "_policy": {"_asyncio_first", "_engines"},
    "_asyncio_first": {"_engines", "_guest", "_guest_context", "_private"},
    "_run": {
        *("_asyncio_side", "_bridge", "_crossing", "_engines", "_generator_hooks", "_guest"),
        *("_private", "_pump", "_task_nursery", "_tracking", "_tree_signal", "_untrusted"),
    },
    "_tree_signal": {"_untrusted", "inspect"},
    "inspect": {
        *("_bridge", "_crossing", "_frames", "_guest", "_private", "_task_creation"),
        "_task_nursery",
    },
    "pytest_plugin": {"_crossing", "_engines", "_private", "_run", "_views"},
    "streams": {"_bridge", "_untrusted", "_views"},
    "channels": {"_private", "_untrusted", "_views"},
    "_views": {"_bridge", "_crossing", "_guest", "_guest_ctrl_c", "_private", "_untrusted"},
    "_crossing": {
        *("_bridge", "_exits", "_frames", "_guest", "_guest_ctrl_c", "_private", "_untrusted"),
    },
    "_guest": {
        *("_asyncio_side", "_bridge", "_guest_context", "_guest_ctrl_c", "_guest_end"),
        *("_guest_nursery", "_loop_clock", "_private", "_trio_pass"),
    },
    "_guest_context": {"_guest_ctrl_c", "_private"},
    "_guest_ctrl_c": {"_private"},
    "_guest_end": {"_exits", "_guest_ctrl_c", "_private"},
    "_guest_nursery": {"_call_nursery"},
    "_bridge": {"_breakpoints", "_cancelled_once", "_private"},
    "_nursery": {
        *("_bridge", "_crossing", "_private", "_task_nursery", "_tracking", "_untrusted"),
    },
    "_task_nursery": {"_call_nursery", "_crossing", "_loop_tasks", "_owned_tasks", "_private"},
    "_loop_tasks": {"_owned_tasks"},
    "_owned_tasks": {"_bridge", "_private"},
    "_direct_tasks": {"_bridge", "_private"},
    "_tracking": {"_bridge", "_direct_tasks", "_private", "_task_creation", "_untrusted"},
    "_task_creation": {"_bridge", "_loop_tasks", "_private"},
    "_call_nursery": {"_bridge"},
    "_breakpoints": set(),
    "_cancelled_once": set(),
    "_moved_names": set(),
    "_alarm": {"_private"},
    "_doze": {"_private"},
    "_trio_pass": {"_engines", "_private"},
    "_pump": {
        *("_alarm", "_doze", "_engines", "_loop_clock", "_private", "_trio_pass", "_untrusted"),
    },
    "_loop_clock": set(),
    "_exits": {"_untrusted"},
    "_frames": set(),
    "_untrusted": set(),
    "_asyncio_side": {"_private"},
    "_generator_hooks": {"_private"},
    "_engines": {"_private"},
    "_private": set(),
}


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def runtime_imports(path):
    """The parts of this package that a module imports, but for type checking only."""
    tree = ast.parse(path.read_text())
    package = path.relative_to(PACKAGE.parent).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for name in names:
                full = [*base, *name.split(".")]
                yield full[1] if len(full) > 1 else "__init__"
        elif isinstance(node, ast.ImportFrom | ast.Import):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names]
            assert not any(str(name).startswith("trio_bridge") for name in modules), path


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_imports_go_in_one_direction(path):
    part = part_of(path)
    imported = set(runtime_imports(path)) - {part}
    assert imported <= MAY_IMPORT[part]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_only_private_reaches_into_others(path):
    """No ``x._name`` but on ``self``, on modules of our own, or on our own classes' objects."""
    if path.parent.name == "_private":
        return
    own = {"_private", "_value"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            if node.attr.startswith("__"):
                continue
            target = ast.unparse(node.value)
            assert target in ("self", *own) or target.startswith("self._"), ast.unparse(node)


def test_the_house_lists_every_part():
    parts = {part_of(path) for path in PACKAGE.rglob("*.py")}
    assert parts == set(MAY_IMPORT)
