"""Rule 4.6, loop services: subprocesses and signals."""

import asyncio
import os
import signal
import sys
import threading

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import current_loop, trio2aio

PIPE = asyncio.subprocess.PIPE


def wakeup_fd():
    """The process's wakeup descriptor, which can be read only by setting it."""
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd


def send(sig):
    os.kill(os.getpid(), sig)


class Flag(asyncio.Event):
    """An event whose ``set`` counts, for a signal's callback."""

    def __init__(self):
        super().__init__()
        self.words = []

    def __call__(self, *words):
        self.words += words
        self.set()


# ---- subprocesses


@trio2aio
async def test_4_6_subprocess_exec_with_pipes():
    code = "import sys; data = sys.stdin.read(); print(data.upper()); print('err', file=sys.stderr)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate(b"quack")
    assert (out, err, process.returncode) == (b"QUACK\n", b"err\n", 0)


@trio2aio
async def test_4_6_subprocess_dialogue():
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    for line in [b"Riri\n", b"Fifi\n", b"Loulou\n"]:
        process.stdin.write(line)
        assert await process.stdout.readline() == line
    process.stdin.close()
    assert await process.stdout.read() == b""
    assert await process.wait() == 0


@trio2aio
async def test_4_6_subprocess_shell():
    process = await asyncio.create_subprocess_shell("echo $((6 * 7)); exit 3", stdout=PIPE)
    out, _ = await process.communicate()
    assert (out, process.returncode) == (b"42\n", 3)


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
@trio2aio
async def test_4_6_subprocess_can_be_killed(sig):
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    waiting = asyncio.create_task(process.wait())
    process.send_signal(sig)
    assert await process.communicate() == (b"", None)
    assert await waiting == -sig
    assert process.returncode == -sig


@trio2aio
async def test_4_6_many_subprocesses():
    async def run(n):
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        out, _ = await process.communicate(b"%d" % n)
        return int(out)

    assert await asyncio.gather(*map(run, range(20))) == list(range(20))


@trio2aio
async def test_4_6_subprocess_large_input():
    data = os.urandom(1 << 20)
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    out, _ = await process.communicate(data)
    assert out == data


async def test_4_6_subprocess_is_killed_when_trio_cancels():
    returncodes = []

    async def run():
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE)
        started.set()
        try:
            await process.wait()
        finally:
            process.kill()
            returncodes.append(await process.wait())

    started = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio2aio(run))
        await started.wait()
        nursery.cancel_scope.cancel()
    assert returncodes == [-signal.SIGKILL]


@trio2aio
async def test_4_6_subprocess_of_an_unknown_program():
    with pytest.raises(FileNotFoundError):
        await asyncio.create_subprocess_exec("/nowhere/no-such-program")


def test_4_6_subprocess_in_a_loop_of_another_thread():
    async def main():
        process = await trio2aio(asyncio.create_subprocess_exec)("true")
        return await trio2aio(process.wait)()

    async def in_thread():
        return await trio.to_thread.run_sync(trio_bridge.run, main)

    assert trio.run(in_thread) == 0


# ---- signals


@trio2aio
async def test_4_6_signal_handlers_run():
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGUSR1)
    flag = Flag()

    def handle(*words):
        assert asyncio.get_running_loop() is loop
        flag(*words)

    loop.add_signal_handler(signal.SIGUSR1, handle, "quack", "quack")
    send(signal.SIGUSR1)
    await flag.wait()
    assert flag.words == ["quack", "quack"]
    assert loop.remove_signal_handler(signal.SIGUSR1)
    assert not loop.remove_signal_handler(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) == before


@trio2aio
async def test_4_6_second_handler_replaces_the_first():
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGUSR1)
    first, second = Flag(), Flag()
    loop.add_signal_handler(signal.SIGUSR1, first)
    loop.add_signal_handler(signal.SIGUSR1, second)
    send(signal.SIGUSR1)
    await second.wait()
    assert not first.is_set()
    assert loop.remove_signal_handler(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) == before


@trio2aio
async def test_4_6_signal_handlers_of_several_signals():
    loop = asyncio.get_running_loop()
    signals = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM]
    flags = {sig: Flag() for sig in signals}
    for sig, flag in flags.items():
        loop.add_signal_handler(sig, flag, sig)
    for sig in reversed(signals):
        send(sig)
    for sig, flag in flags.items():
        await flag.wait()
        assert flag.words == [sig]
    loop.remove_signal_handler(signal.SIGUSR1)
    flags[signal.SIGUSR2].clear()
    send(signal.SIGUSR2)
    await flags[signal.SIGUSR2].wait()


async def test_4_6_signal_delivered_to_another_thread_wakes_trio():
    handled = threading.Event()
    is_parked = threading.Event()

    def signal_this_thread():
        # No system call of the main thread is interrupted: only the wakeup descriptor wakes it.
        assert is_parked.wait(30)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        return handled.wait(30)

    async def check():
        assert await trio.to_thread.run_sync(signal_this_thread)

    current_loop().add_signal_handler(signal.SIGUSR1, handled.set)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(check)
        await trio.testing.wait_all_tasks_blocked()
        is_parked.set()


async def test_4_6_signal_handlers_leave_the_wakeup_descriptor():
    async def use_signals():
        loop = asyncio.get_running_loop()
        flag = Flag()
        loop.add_signal_handler(signal.SIGUSR1, flag)
        assert wakeup_fd() == fd
        send(signal.SIGUSR1)
        await flag.wait()
        loop.remove_signal_handler(signal.SIGUSR1)

    fd = wakeup_fd()
    assert fd != -1
    await trio2aio(use_signals)()
    assert wakeup_fd() == fd


async def test_4_6_after_signal_handlers_ctrl_c_is_trios_again():
    async def handle_ctrl_c():
        loop = asyncio.get_running_loop()
        flag = Flag()
        loop.add_signal_handler(signal.SIGINT, flag)
        send(signal.SIGINT)
        await flag.wait()
        loop.remove_signal_handler(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    await trio2aio(handle_ctrl_c)()
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
        await trio.sleep_forever()


async def test_4_6_what_can_not_handle_a_signal_is_refused_before_one_comes():
    with pytest.raises(TypeError, match="a callable object was expected, got 5"):
        current_loop().add_signal_handler(signal.SIGUSR1, 5)


AFTER_SIGNAL_HANDLERS = """
import asyncio, signal, trio, trio_bridge

async def wait():
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGUSR1):
        loop.add_signal_handler(sig, print, "never")
        loop.remove_signal_handler(sig)
    print("ready")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        print("cleaned up")
        raise

try:
    trio_bridge.run(trio_bridge.trio2aio(wait))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_4_6_after_signal_handlers_ctrl_c_works(run_script):
    result = run_script(AFTER_SIGNAL_HANDLERS, interrupt_at="ready")
    assert (result.stdout, result.stderr) == ("ready\ncleaned up\ninterrupted\n", "")


HANDLES_CTRL_C = """
import asyncio, signal, trio_bridge

async def wait():
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, asked.set)
    print("ready")
    await asked.wait()
    print("asked to stop")

trio_bridge.run(trio_bridge.trio2aio(wait))
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.set_wakeup_fd(-1) == -1
"""


def test_4_6_signal_handler_takes_ctrl_c(run_script):
    result = run_script(HANDLES_CTRL_C, interrupt_at="ready")
    assert (result.stdout, result.stderr) == ("ready\nasked to stop\n", "")


async def test_4_6_signal_handlers_end_with_their_loop():
    before = signal.getsignal(signal.SIGUSR1)
    async with trio_bridge.open_loop() as loop:
        loop.add_signal_handler(signal.SIGUSR1, print)
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) == before


async def test_4_6_signal_handlers_of_two_loops_end_in_any_order():
    async def hold_loop(release, *, task_status=trio.TASK_STATUS_IGNORED):
        async with trio_bridge.open_loop() as loop:
            task_status.started(loop)
            await release.wait()
        closed.append(loop)

    before = signal.getsignal(signal.SIGINT)
    closed = []
    end_first, end_second = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        first = await nursery.start(hold_loop, end_first)
        second = await nursery.start(hold_loop, end_second)
        first.add_signal_handler(signal.SIGINT, print)
        second.add_signal_handler(signal.SIGINT, print)
        handler_of_second = signal.getsignal(signal.SIGINT)
        end_first.set()
        await trio.testing.wait_all_tasks_blocked()
        assert closed == [first]
        assert signal.getsignal(signal.SIGINT) is handler_of_second
        end_second.set()
    assert signal.getsignal(signal.SIGINT) is before


def wrong_uses(loop):
    """The errors of ``add_signal_handler`` and ``remove_signal_handler``, by type."""

    async def coroutine_function():
        pass

    calls = [
        (loop.add_signal_handler, signal.SIGUSR1, coroutine_function),
        (loop.add_signal_handler, "SIGUSR1", print),
        (loop.add_signal_handler, 10_000, print),
        (loop.add_signal_handler, signal.SIGKILL, print),
        (loop.remove_signal_handler, "SIGUSR1"),
        (loop.remove_signal_handler, 10_000),
    ]
    errors = []
    for method, *args in calls:
        with pytest.raises(Exception) as excinfo:
            method(*args)
        errors.append((excinfo.type, str(excinfo.value)))
    return errors


def test_4_6_signal_handler_errors_are_asyncios():
    async def main():
        loop = current_loop()
        fd = wakeup_fd()
        errors = wrong_uses(loop)
        assert wakeup_fd() == fd
        return loop, errors

    stock_loop = asyncio.SelectorEventLoop()
    expected = wrong_uses(stock_loop)
    stock_loop.close()
    loop, errors = trio_bridge.run(main)
    assert errors == expected
    with pytest.raises(RuntimeError, match="closed"):
        loop.add_signal_handler(signal.SIGUSR1, print)


async def test_4_6_signal_handlers_are_for_the_main_thread():
    async def main():
        with pytest.raises(RuntimeError, match="main thread"):
            current_loop().add_signal_handler(signal.SIGUSR1, print)

    await trio.to_thread.run_sync(trio_bridge.run, main)
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
