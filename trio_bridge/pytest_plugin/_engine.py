"""The engine of the tests' loops, as a fixture that a suite may override or parametrize."""

from __future__ import annotations

import pytest

from . import _options

_CHOSEN = "_bridge_engine"
"""The fixture that is parametrized here. Who overrides ``bridge_engine`` doesn't ask for it, and so
isn't parametrized twice."""


@pytest.fixture(scope="module", name=_CHOSEN)
def _chosen(request: pytest.FixtureRequest) -> str | None:
    engines = _options.engines(request.config)
    default = engines[0] if engines else None
    engine: str | None = getattr(request, "param", default)
    return engine


@pytest.fixture(scope="module")
def bridge_engine(_bridge_engine: str | None) -> str | None:
    """The engine of this test's loop: a name for ``engine=``, or None for the default.

    Override it, or parametrize it, to run tests on several engines.
    """
    return _bridge_engine


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with a loop runs once per engine that its marker names, else the command line."""
    if _CHOSEN not in metafunc.fixturenames:
        return
    marked = _options.marked_engines(metafunc.definition)
    engines = marked or _options.engines(metafunc.config)
    if marked or len(engines) > 1:
        ids = engines if len(engines) > 1 else [pytest.HIDDEN_PARAM]
        metafunc.parametrize(_CHOSEN, engines, indirect=True, ids=ids, scope="module")
