"""``python -m tests.torture.bad_inputs``: write ``docs/errors.md`` from the catalogue."""

import argparse

from .page import PAGE, text

argparse.ArgumentParser(prog="python -m tests.torture.bad_inputs", description=__doc__).parse_args()
PAGE.write_text(text())
