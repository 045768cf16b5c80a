"""What a process that a test has started runs writes down which lines it comes to.

``run.py`` has each Python import it that starts in the clone. A line at a time: the process may end
in any way.
"""

from __future__ import annotations

import os

import mutated_lines


def main():
    test, place = os.environ.get("MUTATION_TEST"), os.environ.get("MUTATION_CHILDREN")
    if not test or not place:
        return
    file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    mutated_lines.watch(
        lambda module, number: os.write(file, f"{module}\t{number}\t{test}\n".encode())
    )


main()
