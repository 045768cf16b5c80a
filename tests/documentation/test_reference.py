"""The API reference has every public name and nothing else, and says of each what it has to."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys

import pytest
from conftest import HANG, PYTHONPATH, ROOT
from pytest_plugin.conftest import LOAD

import trio_bridge
from trio_bridge import __main__ as command_line

REFERENCE = ROOT / "docs" / "reference"
ENTRY = re.compile(
    r"^\.\. (?:auto|py:)?(?:function|class|exception|data):: *(?P<name>\w+)", re.MULTILINE
)
MODULES = ("trio_bridge", "streams", "channels", "inspect")


def module_of(page):
    return importlib.import_module(page if page == "trio_bridge" else f"trio_bridge.{page}")


def text_of(page):
    return (REFERENCE / f"{page}.rst").read_text()


@pytest.mark.parametrize("page", [*MODULES, "pytest_plugin"])
def test_a_page_has_the_public_names_of_its_module(page):
    if page == "pytest_plugin":
        pytest.importorskip("pytest_trio")
    assert sorted(ENTRY.findall(text_of(page))) == sorted(module_of(page).__all__)


def test_there_is_a_page_for_each_public_module():
    public = {
        path.stem
        for path in (ROOT / "trio_bridge").iterdir()
        if not path.name.startswith(("_", ".")) and path.suffix in ("", ".py")
    }
    pages = {path.stem for path in REFERENCE.glob("*.rst")}
    assert pages == public | {"trio_bridge", "command_line"}


def test_the_plugins_names(tmp_path):
    """Fixtures, markers and options: the page has those that pytest lists."""
    pytest.importorskip("pytest_trio")

    def listed(option, pattern):
        command = [sys.executable, "-m", "pytest", *LOAD, "-c", os.devnull, option]
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "COLUMNS": "200"}
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=HANG
        )
        return sorted(re.findall(pattern, result.stdout, re.MULTILINE))

    def entries(kind):
        return sorted(re.findall(rf"^\.\. {kind}:: ([\w-]+)", text, re.MULTILINE))

    text = text_of("pytest_plugin")
    assert entries("option") == listed("--help", r"^ +(--bridge-[\w-]+)")
    assert entries("confval") == listed("--help", r"^ +(bridge_\w+) \(")
    assert entries("marker") == listed("--markers", r"^@pytest\.mark\.(bridge_\w+)")
    assert entries("fixture") == listed("--fixtures", r"^(bridge_\w+)")


def test_the_command_lines_options(capsys):
    with pytest.raises(SystemExit):
        command_line._parse(["--help"], [])
    described = capsys.readouterr().out.partition("options:")[2]
    options = set(re.findall(r"(--[\w-]+)", described)) - {"--help"}
    entries = set(re.findall(r"^\.\. option:: (\S+)", text_of("command_line"), re.MULTILINE))
    assert entries == options | {"-m"}


def documented():
    """The functions of the reference, with the public methods of its classes."""
    for page in MODULES:
        module = module_of(page)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                yield pytest.param(value, id=f"{page}.{name}")
            elif inspect.isclass(value) and value.__module__.startswith("trio_bridge"):
                for method, function in vars(value).items():
                    function = getattr(function, "__func__", function)
                    if inspect.isfunction(function) and not method.startswith("_"):
                        yield pytest.param(function, id=f"{page}.{name}.{method}")


@pytest.mark.parametrize("function", list(documented()))
def test_an_entry_says_what_it_has_to_say(function):
    text = inspect.getdoc(function)
    assert text, "no docstring"
    is_trio_side = function.__module__ != trio_bridge.channels._channel_queue.__name__
    parameters = set(inspect.signature(function).parameters) - {"self", "cls", "args"}
    if parameters and function.__qualname__ == function.__name__:
        assert all(re.search(rf"\b{name}\b", text) for name in parameters)
    if inspect.iscoroutinefunction(function):
        assert not is_trio_side or "checkpoint" in text, "is it a checkpoint?"
        assert re.search(r"cancel", text, re.IGNORECASE), "what does cancelling it do?"
    elif function.__qualname__ == function.__name__:
        assert "checkpoint" in text
