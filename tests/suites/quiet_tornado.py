"""A pytest plugin: what Tornado's own test runner sets up. Its tests fail if anything is logged."""

from __future__ import annotations

import logging

logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
