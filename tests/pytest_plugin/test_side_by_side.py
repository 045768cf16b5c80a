"""pytest-trio, pytest-asyncio and anyio's plugin in one suite: each runs its own tests, once."""

from __future__ import annotations

import pytest

from .conftest import INI, says

SUITE = """
    import collections, sniffio, pytest_asyncio

    runs = collections.Counter()

    def ran(request):
        runs[request.node.originalname, request.node.name] += 1

    @pytest.fixture
    async def plain():
        yield sniffio.current_async_library()

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def of_the_module():
        yield asyncio.get_running_loop()

    @pytest.fixture(params=["asyncio", "trio"], scope="module")
    def anyio_backend(request):
        return request.param

    {trio}
    async def test_trio(request):
        assert sniffio.current_async_library() == "trio"
        ran(request)

    {trio}
    async def test_trio_with_a_loop(request, plain, bridge_loop):
        assert plain == sniffio.current_async_library() == "trio"
        assert current_loop() is bridge_loop
        ran(request)

    @pytest.mark.bridge_asyncio
    async def test_bridge(request, plain, of_the_module):
        assert plain == sniffio.current_async_library() == "asyncio"
        assert asyncio.get_running_loop() is not of_the_module
        assert current_loop() is asyncio.get_running_loop()
        await aio2trio(trio.sleep)(0)
        ran(request)

    {asyncio}
    async def test_asyncio(request, of_the_module):
        assert asyncio.get_running_loop().__module__.startswith("asyncio")
        ran(request)

    @pytest.mark.anyio
    async def test_anyio(request, plain, anyio_backend):
        assert plain == sniffio.current_async_library() == anyio_backend
        ran(request)

    def test_each_ran_once():
        names = ["trio", "trio_with_a_loop", "bridge", "asyncio", "anyio", "anyio"]
        assert sorted(name for name, _ in runs) == sorted(f"test_{{name}}" for name in names)
        assert set(runs.values()) == {{1}}
"""


@pytest.mark.parametrize(
    "ini",
    [{}, {"bridge_loop": "true"}, {"bridge_loop": "true", "bridge_engine": "uvloop"}],
    ids=str,
)
def test_all_four_with_markers(run, ini):
    suite = SUITE.format(trio="@pytest.mark.trio", asyncio="@pytest.mark.asyncio")
    result = run(suite, ini=ini)
    result.assert_outcomes(passed=7)


# Where another plugin takes whatever is async, it doesn't take the tests with a loop.
OURS = """
    import sniffio

    count = []

    @pytest.fixture
    async def plain():
        count.append(sniffio.current_async_library())
        yield asyncio.get_running_loop() if count[-1] == "asyncio" else current_loop()

    @pytest.mark.bridge_loop
    async def test_trio(plain):
        assert current_loop() is plain and count == ["trio"]

    @pytest.mark.bridge_asyncio
    @pytest.mark.parametrize("x", [1, 2])
    async def test_asyncio(plain, x):
        assert asyncio.get_running_loop() is plain and count == ["trio"] + ["asyncio"] * x

    @pytest.mark.bridge_asyncio
    class TestClass:
        async def test_method(self):
            assert current_loop() is asyncio.get_running_loop()
"""


@pytest.mark.parametrize(
    ("options", "ini"),
    [
        ((), {"trio_mode": "true"}),
        ((), {"trio_mode": "true", "bridge_loop": "true"}),
        (("--asyncio-mode=auto",), {}),
        (("--asyncio-mode=auto",), {"trio_mode": "true", "bridge_loop": "true"}),
        (("--anyio-mode=auto",), {}),
    ],
    ids=["trio", "trio, ini", "asyncio", "trio, asyncio, ini", "anyio"],
)
def test_ours_where_another_plugin_takes_whatever_is_async(run, options, ini):
    result = run(OURS, *options, ini=ini)
    result.assert_outcomes(passed=4)


def test_auto_mode_of_pytest_asyncio_has_the_rest(run):
    result = run(
        OURS
        + """
    @pytest.fixture
    async def another():
        return asyncio.get_running_loop()

    async def test_of_pytest_asyncio(another):
        assert asyncio.get_running_loop() is another
        assert type(another).__module__.startswith("asyncio")
        """,
        "--asyncio-mode=auto",
        conftest="""
        def pytest_asyncio_loop_factories(config, item):
            return {"one": asyncio.SelectorEventLoop, "two": asyncio.SelectorEventLoop}
        """,
    )
    result.assert_outcomes(passed=4 + 2)


WIDER = """
    @pytest.fixture(scope="module")
    async def of_the_module({argument}):
        return 5

    @pytest.mark.bridge_asyncio
    async def test_it(of_the_module):
        assert of_the_module == 5
"""


def test_a_wider_scope_that_anyio_takes(run):
    backend = """
    @pytest.fixture(scope="module")
    def anyio_backend():
        return "asyncio"
"""
    result = run(backend + WIDER.format(argument="anyio_backend"))
    result.assert_outcomes(passed=1)


def test_a_wider_scope_that_nobody_takes(run):
    result = run(WIDER.format(argument=""), "-p", "no:asyncio", ini=dict.fromkeys(INI))
    result.assert_outcomes(errors=1)
    assert says(result, "the async fixture 'of_the_module' has scope='module', and here each test")


def test_pytest_without_any_of_them(run):
    disabled = [word for name in ("trio", "asyncio", "anyio") for word in ("-p", f"no:{name}")]
    result = run("def test_plain(): pass", *disabled, ini=dict.fromkeys(INI))
    result.assert_outcomes(passed=1)
