"""Each test runs on both fast engines, and with the real server that its library talks to.

``pytest tests/ecosystem --record`` rewrites ``docs/ecosystem.md``: see ``table.py``.
"""

from __future__ import annotations

import pytest

from ecosystem import servers, table


def pytest_addoption(parser):
    parser.addoption(
        "--record", action="store_true", help="keep this run's results in docs/ecosystem.md"
    )


def pytest_configure(config):
    config.pluginmanager.register(table.Recorder(config), "ecosystem-table")


@pytest.fixture(params=["selector", "uvloop"], autouse=True)
def engine(request, monkeypatch):
    """The engine of every loop in the test, and in the processes that it starts."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    monkeypatch.setenv("TRIO_BRIDGE_ENGINE", request.param)
    return request.param


@pytest.fixture(scope="session")
def postgres():
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url():
    with servers.redis() as url:
        yield url


@pytest.fixture(scope="session")
def nats_url():
    with servers.nats() as url:
        yield url


@pytest.fixture(scope="session")
def dask_address():
    with servers.dask() as address:
        yield address
