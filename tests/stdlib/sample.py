"""Tests that misbehave, and tests that make loops in every way: what the harness is tested on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import faulthandler
import multiprocessing
import os
import selectors
import threading
import unittest
import warnings

import loops


class Misbehaving(unittest.TestCase):
    def test_1_passes(self):
        pass

    def test_2_hangs(self):
        threading.Event().wait()

    @unittest.skip("by a decorator")
    def test_3_is_skipped(self):
        raise AssertionError

    def test_4_crashes(self):
        faulthandler.disable()
        os.abort()

    def test_5_fails_in_a_subtest(self):
        for number in (1, 2):
            with self.subTest(number=number):
                assert number == 1

    def test_6_passes(self):
        pass

    def test_7_passes_and_fails_to_clean_up(self):
        self.addCleanup(self.fail, "in a cleanup")

    def test_8_leaves_a_broken_object(self):
        class Broken:
            def __del__(self):
                raise ValueError

        Broken()

    def test_9_leaves_a_running_loop(self):
        loop = asyncio.new_event_loop()
        loop.close()
        asyncio._set_running_loop(loop)


class Interrupted(unittest.TestCase):
    def test_1_interrupts(self):
        raise KeyboardInterrupt

    def test_2_passes(self):
        pass


class BrokenFixture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise ValueError

    def test_is_lost(self):
        pass


class Loops(unittest.TestCase):
    def test_new_event_loop(self):
        asyncio.new_event_loop().close()

    def test_policy(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            asyncio.get_event_loop_policy().new_event_loop().close()

    def test_class(self):
        asyncio.SelectorEventLoop(selectors.SelectSelector()).close()

    def test_runner(self):
        with asyncio.Runner() as runner:
            runner.run(asyncio.sleep(0))
            runner.run(asyncio.sleep(0))

    def test_run(self):
        asyncio.run(asyncio.sleep(0))

    def test_spawned_process(self):
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
            name = pool.submit(_name_of_new_loop).result()
        assert name == asyncio.SelectorEventLoop.__module__

    def test_trio_starts_first(self):
        """In the mode ``guest`` it starts before what was scheduled before the run."""
        loop = asyncio.new_event_loop()
        starts = []
        loop.call_soon(lambda: starts.append(loops.record.trio_starts))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        assert starts == [os.environ["TRIO_BRIDGE_STDLIB_MODE"] == "guest"]

    def test_stock(self):
        bases = asyncio.SelectorEventLoop.__mro__
        next(cls for cls in bases if cls.__module__ == "asyncio.unix_events")().close()


class IsolatedLoop(unittest.IsolatedAsyncioTestCase):
    async def test_isolated(self):
        pass


def _name_of_new_loop():
    loop = asyncio.new_event_loop()
    loop.close()
    return type(loop).__module__
