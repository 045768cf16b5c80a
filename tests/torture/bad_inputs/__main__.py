"""``python -m tests.torture.bad_inputs``: write ``docs/errors.md`` from the catalogue."""

from .page import PAGE, text

PAGE.write_text(text())
