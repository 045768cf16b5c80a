"""Bad use gives an error that shows the line to write; and the loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import subprocess
import sys

import pytest
import trio
from conftest import HANG, PYTHONPATH
from torture.bad_inputs import COMMAND_LINES, INPUTS
from torture.bad_inputs.page import PAGE, text
from torture.bad_inputs.probe import check_goes_on, check_nothing_is_left

import trio_bridge
from trio_bridge import aio2trio, open_loop, trio2aio


def text_of(exc):
    """What a person reads: the message and its notes."""
    return "\n".join([str(exc), *getattr(exc, "__notes__", ())])


# ---- the catalogue


@pytest.mark.parametrize("bad_input", INPUTS, ids=repr)
async def test_a_bad_input(bad_input):
    tasks = asyncio.all_tasks(trio_bridge.current_loop())
    with trio.fail_after(HANG):
        bad_input.check(await bad_input.given())
    await check_goes_on()
    await check_nothing_is_left(tasks)


@pytest.mark.parametrize("line", COMMAND_LINES, ids=repr)
def test_a_bad_command_line(line, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "trio_bridge", *line.args],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        timeout=HANG,
    )
    assert "Traceback" not in result.stderr
    assert [word for word in line.words if word not in result.stderr] == [], result.stderr
    assert result.returncode == line.status


def test_the_catalogue_is_large_and_no_mistake_is_in_it_twice():
    assert len(INPUTS) >= 100
    mistakes = [bad_input.mistake for bad_input in INPUTS]
    assert all(mistakes)
    assert sorted(set(mistakes)) == sorted(mistakes)


def test_the_page_is_made_from_the_catalogue():
    assert PAGE.read_text() == text()


# ---- the same mistakes in other surroundings


async def test_asyncio_code_awaited_directly_in_a_nested_trio_call():
    async def sleeps():
        await asyncio.sleep(1)

    @trio2aio
    async def guest():
        await aio2trio(sleeps)()

    with pytest.raises(RuntimeError) as caught:
        await guest()
    assert "await trio2aio(asyncio.sleep)(...)" in text_of(caught.value)


async def test_the_result_of_a_direct_call_entered():
    async def enter():
        async with trio2aio(asyncio.timeout(1)):
            pass

    with pytest.raises(RuntimeError) as caught:
        await trio.to_thread.run_sync(trio_bridge.run, enter)
    assert "async with trio2aio(asyncio.timeout)(...)" in text_of(caught.value)


async def open_a_nursery():
    async with trio.open_nursery():
        pass


@pytest.mark.parametrize("suspended_before", [False, True])
@pytest.mark.parametrize(
    "trio_code",
    [
        lambda: trio.sleep(1),
        lambda: trio.Event().wait(),
        lambda: trio.lowlevel.cancel_shielded_checkpoint(),
        open_a_nursery,
    ],
    ids=["sleep", "event", "checkpoint", "nursery"],
)
async def test_trio_code_awaited_directly_in_asyncio_code(suspended_before, trio_code):
    @trio2aio
    async def guest():
        if suspended_before:
            await asyncio.sleep(0)
        await trio_code()

    with pytest.raises(RuntimeError) as caught:
        await guest()
    assert "aio2trio(" in text_of(caught.value)
    await check_goes_on()


async def test_trio_code_awaited_directly_in_asyncios_own_task():
    async def sleeps():
        await trio.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        async with open_loop() as loop:
            loop.create_task(sleeps())
            await trio.sleep_forever()
    (error,) = caught.value.exceptions
    assert "await aio2trio(trio.sleep)(...)" in text_of(error)


async def starts_a_task():
    with contextlib.closing(asyncio.sleep(0)) as coro:
        asyncio.create_task(coro)


def test_a_plain_function_called_directly_in_trio_code():
    with pytest.raises(RuntimeError) as caught:
        trio_bridge.run(starts_a_task)
    assert "    trio2aio(asyncio.create_task)(...)" in text_of(caught.value).splitlines()


async def asyncio_sleeps_with_the_wrong_adapter():
    await aio2trio(asyncio.sleep)(1)


def test_the_wrong_adapter_in_code_of_its_own_side():
    with pytest.raises(RuntimeError) as caught:
        trio_bridge.run(asyncio_sleeps_with_the_wrong_adapter)
    assert (
        "asyncio.sleep belongs to asyncio, and aio2trio(...) is for what belongs to Trio."
        in text_of(caught.value)
    )
    assert "    await trio2aio(asyncio.sleep)(...)" in text_of(caught.value).splitlines()


@pytest.fixture
def a_library(tmp_path, monkeypatch):
    """An asyncio library, installed: its class wants a running loop, its function awaits."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "duckpond.py").write_text(
        "import asyncio\n\n\n"
        "class Pond:\n"
        "    def __init__(self):\n"
        "        self.loop = asyncio.get_running_loop()\n\n\n"
        "async def feed(ducks):\n"
        "    await asyncio.sleep(ducks)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("duckpond")
    del sys.modules["duckpond"]


def test_a_librarys_object_made_in_trio_code(a_library):
    async def makes_one():
        return a_library.Pond()

    with pytest.raises(RuntimeError) as caught:
        trio_bridge.run(makes_one)
    (note,) = caught.value.__notes__
    assert note.splitlines() == [
        "a_library.Pond belongs to asyncio and was used directly in Trio code. Write:",
        "    trio2aio(a_library.Pond)(...)",
        "Or write trio2aio(...) around makes_one, if that is asyncio code too",
    ]


def test_a_librarys_function_awaited_in_trio_code(a_library):
    async def feeds():
        await a_library.feed(3)

    with pytest.raises(RuntimeError) as caught:
        trio_bridge.run(feeds)
    assert "    await trio2aio(a_library.feed)(...)" in text_of(caught.value).splitlines()


def test_a_program_that_is_installed_itself(a_library):
    """No line of the program's own: the library's last line has to do."""
    with pytest.raises(RuntimeError) as caught:
        trio_bridge.run(a_library.feed, 3)
    assert text_of(caught.value).splitlines()[-2:] == [
        "    await trio2aio(asyncio.sleep)(...)",
        "Or write trio2aio(...) around feed, if that is asyncio code too",
    ]


async def test_what_is_awaited_without_a_call():
    future = trio_bridge.current_loop().create_future()

    async def awaits():
        await future

    with pytest.raises(TypeError) as caught:
        await trio.to_thread.run_sync(trio_bridge.run, awaits)
    assert "    await trio2aio(future)" in text_of(caught.value).splitlines()


def test_an_unknown_engine_in_the_variable(monkeypatch):
    monkeypatch.setenv("TRIO_BRIDGE_ENGINE", "nonesuch")
    with pytest.raises(ValueError, match="unknown engine 'nonesuch' in the variable TRIO_BRIDGE_E"):
        trio_bridge.run(trio.sleep, 0)


async def get_from_a_queue():
    await asyncio.Queue().get()


async def wait_for_an_event():
    await asyncio.Event().wait()


@pytest.mark.parametrize("code", [get_from_a_queue, wait_for_an_event])
def test_what_asyncio_says_without_a_loop_is_explained(code):
    with pytest.raises((RuntimeError, AttributeError)) as caught:
        trio_bridge.run(code)
    assert "trio2aio(" in text_of(caught.value)


def test_a_name_of_trio_asyncios_says_what_to_write_here():
    with pytest.raises(AttributeError) as caught:
        trio_bridge.run_aio_future  # noqa: B018
    assert str(caught.value).endswith("write\n    await trio2aio(future)")
    with pytest.raises(AttributeError, match=r"has no attribute 'nonesuch'$"):
        trio_bridge.nonesuch  # noqa: B018
