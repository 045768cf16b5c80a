"""A crawler: follows links from page to page until one matches a regular expression.

    python examples/godwin_crawler.py                                  # a wiki of its own
    python examples/godwin_crawler.py http://localhost:8000/ --pattern "zebras?" --timeout 60

At most ``--limit`` fetches run at once, ``--timeout`` bounds everything, and the first page that
matches stops everything. It is a Trio program; with ``--client aiohttp``, which is the default, an
asyncio library fetches the pages, and no fetch survives its scope.
"""

from __future__ import annotations

import argparse
import functools
import math
import re
import sys
from collections import Counter, deque
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio
import wiki
from godwin_clients import CLIENTS, FAILURES, reason
from godwin_parser import Document, link, parse
from godwin_progress import result, show_progress
from rich.console import Console

import trio_bridge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from godwin_clients import Fetch


@dataclass(eq=False)
class Page:
    """A page that the crawl knows of."""

    url: str
    found_on: Page | None = None
    depth: int = 0
    title: str = ""
    links: list[str] | None = None
    """``None`` until it was read."""

    def path(self) -> list[Page]:
        """The pages from the start to this one."""
        pages = [self]
        while page := pages[-1].found_on:
            pages.append(page)
        return pages[::-1]


class Crawl:
    """One crawl, breadth first.

    Fetches end in any order, but links are taken from the pages in the order in which those were
    found. So the path to a page is as short as can be, and the same in each run.
    """

    def __init__(
        self,
        start: str,
        pattern: re.Pattern[str],
        *,
        limit: int = 10,
        other_sites: bool = False,
        parse: Callable[[str, str], Document] = parse,
    ) -> None:
        """``other_sites``: follow links to those, too."""
        self.start, self.pattern, self.limit = Page(start), pattern, limit
        self.match: tuple[Page, re.Match[str]] | None = None
        self.fetched = 0
        self.failures = Counter[str]()
        self.in_flight: list[Page] = []
        self.found, self.visited = Counter[int](), Counter[int]()  # how many pages at each depth
        self._started = trio.current_time()
        self._other_sites, self._parse = other_sites, parse
        self._seen = set[str]()
        self._not_followed = deque[Page]()
        self._send, self._queue = trio.open_memory_channel[Page](math.inf)

    @property
    def queued(self) -> int:
        """How many pages wait to be fetched."""
        return self._queue.statistics().current_buffer_used

    @property
    def unfinished(self) -> int:
        """How many pages have been found and not visited."""
        return self.found.total() - self.visited.total()

    @property
    def elapsed(self) -> float:
        """How many seconds ago this began."""
        return trio.current_time() - self._started

    async def run(self, fetch: Fetch, *companions: Callable[[], Awaitable[object]]) -> None:
        """Crawl until a page matches or no more are to be found; ``companions`` run meanwhile.

        Cancelling it stops all fetches.
        """
        self._find(self.start)
        async with trio.open_nursery() as nursery:
            for companion in companions:
                nursery.start_soon(companion)
            for _ in range(self.limit):
                nursery.start_soon(self._work, fetch, nursery.cancel_scope)

    async def _work(self, fetch: Fetch, everything: trio.CancelScope) -> None:
        """What each of ``limit`` tasks does: take a page, visit it, add its links to the queue."""
        async for page in self._queue:
            self.in_flight.append(page)
            try:
                page.links = await self._visit(page, fetch)
            finally:
                self.in_flight.remove(page)
            self.visited[page.depth] += 1
            self._follow_links()
            if self.match or not self._not_followed:
                everything.cancel()

    async def _visit(self, page: Page, fetch: Fetch) -> list[str]:
        """Fetch a page, look whether it matches, and return its links."""
        try:
            html = await fetch(page.url)
        except FAILURES as error:
            self.failures[reason(error)] += 1
            return []
        # In a thread, as a very large page takes seconds. A bug in there ends the crawl.
        document = await trio.to_thread.run_sync(
            self._parse, page.url, html, abandon_on_cancel=True
        )
        self.fetched += 1
        page.title = document.title
        if not self.match and (match := self.pattern.search(document.text)):
            self.match = page, match
        return document.links

    def _follow_links(self) -> None:
        """Queue what the pages link to that have been visited, up to the first that hasn't."""
        while self._not_followed and (page := self._not_followed[0]).links is not None:
            self._not_followed.popleft()
            for url in page.links:
                if self._other_sites or urlsplit(url).netloc == urlsplit(self.start.url).netloc:
                    self._find(Page(url, page, page.depth + 1))

    def _find(self, page: Page) -> None:
        """Queue a page, unless it is known already."""
        if page.url not in self._seen:
            self._seen.add(page.url)
            self.found[page.depth] += 1
            self._not_followed.append(page)
            self._send.send_nowait(page)


# ---- the program


def regular_expression(text: str) -> re.Pattern[str]:
    """An option that is a regular expression."""
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def at_least_one(text: str) -> int:
    """An option that is a number of things."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def seconds(text: str) -> float:
    """An option that is a time."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number


def address(text: str) -> str:
    """An option that is the address of a page."""
    if url := link("", text):
        return url
    raise argparse.ArgumentTypeError(f"{text!r} doesn't begin with http:// or https:// and a host")


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Follow links until a page matches.")
    add = parser.add_argument
    add("url", nargs="?", type=address, help="where to start; default: a wiki of its own")
    add("--pattern", type=regular_expression, default=r"\bGodwin\b", help="default: %(default)s")
    add("--limit", type=at_least_one, default=10, help="fetches at once; default: %(default)s")
    add("--timeout", type=seconds, default=10.0, help="for everything; default: %(default)s s")
    add("--client", choices=CLIENTS, default="aiohttp", help="default: %(default)s")
    add("--other-sites", action="store_true", help="follow links to other sites, too")
    return parser.parse_args(arguments)


async def main(options: argparse.Namespace) -> int:
    """Crawl, and say what came out; the exit status."""
    async with nullcontext(options.url) if options.url else wiki.served() as url:
        crawl = Crawl(url, options.pattern, limit=options.limit, other_sites=options.other_sites)
        progress = functools.partial(show_progress, crawl, options.timeout)
        with trio.move_on_after(options.timeout):
            async with CLIENTS[options.client]() as fetch:
                await crawl.run(fetch, progress)
        Console(stderr=not crawl.match).print(result(crawl), soft_wrap=True)
    return 0 if crawl.match else 1


if __name__ == "__main__":
    try:
        sys.exit(trio_bridge.run(main, options()))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
