"""Programs that would run in one library alone: their layers alternate between the two sides.

- :mod:`.program`: a program as data, and :mod:`.making`: makes one of random numbers;
- :mod:`.running`: what its statements do, :mod:`.managers`: what its ``async with`` do, and
  :mod:`.outcomes`: how they end;
- :mod:`.worlds`: runs one in Trio alone, in asyncio alone, and on the bridge, on virtual clocks;
- :mod:`.shrinking`: makes one small.
"""
