"""Each rule of the contract that is built has a test named after it."""

from __future__ import annotations

import re
from pathlib import Path

BUILT = [
    *(f"4_1_{rule}" for rule in range(1, 7)),
    *(f"4_2_row_{row}" for row in range(1, 8)),
    *(f"4_3_{rule}" for rule in range(1, 4)),
    *(f"4_4_{rule}" for rule in range(1, 4)),
    "4_5_1",
    "4_5_3",
    "4_7_1",
    "4_7_2",
    *(
        f"4_6_{service}"
        for service in (
            "any_executor",
            "process_pool",
            "to_thread",
            "run_coroutine_threadsafe",
            "subprocess",
            "signal",
            "after_signal_handlers",
            "tls",
            "udp",
            "unix_sockets",
            "pipes",
            "sendfile",
            "debug_mode",
            "slow_callback",
            "task_factory",
            "eager_task_factory",
            "loop_time",
            "mock_clock",
            "importing",
        )
    ),
]


def test_each_rule_has_a_test_named_after_it():
    sources = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    tests = re.findall(r"^(?:async )?def test_(\w+)", sources, re.MULTILINE)
    missing = [rule for rule in BUILT if not any(test.startswith(rule) for test in tests)]
    assert missing == []
