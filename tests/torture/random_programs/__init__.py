"""Random programs of two worlds: made, run, judged, and made small.

- :mod:`.program`: a program as data;
- :mod:`.making`: makes one of random numbers;
- :mod:`.running`: runs one on the bridge;
- :mod:`.ledger`: what happened, and :mod:`.laws`: what must hold for all programs;
- :mod:`.stage`: the virtual clock, the seeded scheduler, the watchdog, and what may not be left;
- :mod:`.strikes`: what strikes from outside, at the n-th step;
- :mod:`.shrinking`: makes a failing program small.
"""
