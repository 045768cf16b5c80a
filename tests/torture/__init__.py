"""Attacks on what the bridge promises: a module a campaign.

A campaign says in its docstring what is promised and how it is attacked, and has

- ``SHORT`` and ``LONG``: the sizes of its two forms, keyword arguments of ``run``;
- ``ENGINES``, if it isn't for all of ``campaigns.ENGINES``;
- ``run(engine, progress, *, seed, **sizes)``, which attacks, calls ``progress(done, total)``,
  raises an ``AssertionError`` that names the seed when a promise is broken, and returns figures.

``test_NAME.py`` runs the short form under pytest, ``python -m tests.torture --long`` the long one.
"""
