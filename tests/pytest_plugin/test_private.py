"""The non-public names of pytest-trio and pytest-asyncio that ``_private`` lists, on their own."""

from __future__ import annotations


def test_what_their_decorators_leave(run):
    result = run(
        """
        import pytest_asyncio, pytest_trio
        from trio_bridge import _private

        class Class:
            async def trios(self):
                pass

            async def asyncios(self):
                pass

            async def nobodys(self):
                pass

        pytest_trio.trio_fixture(Class.trios)
        pytest_asyncio.fixture(Class.asyncios)

        def test_a_function_and_a_method():
            for holder in (Class, Class()):
                assert _private.is_trio_fixture(holder.trios)
                assert not _private.is_trio_fixture(holder.asyncios)
                assert not _private.is_trio_fixture(holder.nobodys)
                assert _private.is_pytest_asyncio_fixture(holder.asyncios)
                assert not _private.is_pytest_asyncio_fixture(holder.trios)
                assert not _private.is_pytest_asyncio_fixture(holder.nobodys)
        """
    )
    result.assert_outcomes(passed=1)
