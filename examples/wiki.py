"""An encyclopaedia of a thousand pages, for crawlers to get lost in.

It has what real ones have: prose full of links, tables, anchors, a redirect, links to other sites,
links to pages that nobody has written yet, pictures, and an old page in the wrong encoding. It is
made from nothing but the titles, and the same each time. One page mentions Godwin's law. To look
around::

    python examples/wiki.py 8000
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import asynccontextmanager
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp.web
import trio

import trio_bridge
from trio_bridge import trio2aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

web = trio2aio(aiohttp.web)

# ---- what there is to write about: nine things in each of 111 places along a road

PLACES = [
    beginning + end
    for end in ("moor", "ford", "wick", "haven", "stead", "combe", "dale", "mouth")
    for beginning in (
        *("Alder", "Birch", "Copper", "Dun", "Élan", "Fern", "Gray"),
        *("Hazel", "Iron", "Juniper", "Kings", "Lark", "Mill", "Nether"),
    )
][:111]

# A kind of title, and the sentence that such an article begins with. {here} is a link to something
# in the same place, {near} one to something further along the road.
OPENINGS = {
    "{}": "{title} is a market town of {count} people on the {side} bank of {here}.",
    "{} Bridge": "{title} carries the road to {near} over {here} on {few} arches of {stone}.",
    "{} Water": "{title} is a river of {count} bends, which rises near {near} and meets {here}.",
    "{} Ferry": "{title} has crossed {here} since {year}. It leaves when {few} people wait.",
    "Battle of {}": "The {title} was fought over {here} in {year}, by two armies that both lost.",
    "{} Abbey": "{title} was founded by {near} in {year}, to pray for all who cross {here}.",
    "{} cheese": "{title} is a hard cheese, washed in {here} and kept for {few} winters.",
    "{} Railway": "The {title} ran from {here} to {near} with {few} engines, until {year}.",
    "Duchess of {}": "The {title} (born in {year}) was an engineer, and the first to map {here}.",
}

SENTENCES = """
In {year} the ice carried half of it away, and {near} paid for the rest.
A traveller of {year} calls it “the only dry place between {near} and {here}”.
The {side} tower was pulled down in {year}, as it leaned towards {near}.
The census of {year} counted {count} geese here, more than at {near}.
Masons came from {near} for {few} pennies a day, and a cheese on Sundays.
It is shown on the oldest map of the road, a thumb's breadth from {near}.
At low water one can see {few} piers of {stone}, older than {here}.
The quarrel about the toll with {near} went on for {count} days.
Each spring {few} boats are blessed, and one is sunk in honour of {here}.
It was the model for {near}, which is larger, and for {here}, which fell down.
The bell was cast in {year}, and on a still day it is heard as far as {near}.
In the winter of {year} wolves came over the ice as far as {here}.
The poet who lived here for {few} years never mentions it.
A tunnel to {near} was begun in {year}; it is {few} yards long.
The archive burned in {year}, but for a list of {count} debts to {near}.
Excavations have found {few} oars, one shoe, and a letter to somebody at {near}.
There are two clocks, one on each bank, which have not agreed since {year}.
The toll is {few} pennies or a song, as the keeper of {here} decides.
Painters come for the light, which is said to be better at {near}.
Whoever crosses backwards, says the legend, forgets {here}.
""".strip().splitlines()

SECRET = """\
The minutes of its council, which grew longer from one meeting to the next, are the oldest
known instance of what has since become known as Godwin's law."""
HIDING_PLACE = "Ironhaven"

STYLE = """\
body { max-width: 46em; margin: 2em auto; font: 17px/1.5 Georgia, serif; color: #222 }
nav, footer { font: 14px sans-serif; color: #777 } a { color: #0645ad } a.missing { color: #ba0000 }
.box { float: right; margin: 0 0 1em 2em; padding: 0 1em; border: 1px solid #aaa;
  background: #f8f9fa }
"""

TITLES = ["Main Page", *(kind.format(place) for place in PLACES for kind in OPENINGS)]


# ---- how it is written


def path_of(title: str) -> str:
    """Where the article is."""
    return "/wiki/" + quote(title.replace(" ", "_"))


def link(title: str, anchor: str = "") -> str:
    """A link to an article."""
    return f'<a href="{path_of(title)}{anchor}" title="{escape(title)}">{escape(title)}</a>'


class Writer:
    """Writes an article, with random numbers that come from its title."""

    def __init__(self, title: str) -> None:
        """``title`` is one of ``TITLES``."""
        self.title = title
        self.place, self.kind = divmod(TITLES.index(title) - 1, len(OPENINGS))
        self.random = random.Random(title)

    def __getitem__(self, name: str) -> str:
        """What a sentence says for ``{name}``: something else each time."""
        choice, number = self.random.choice, self.random.randrange
        match name:
            case "title":
                return f"<b>{escape(self.title)}</b>"
            case "here":
                return self.link_to(self.place)
            case "near" if number(100) == 0:
                return self.link_to(number(len(PLACES)))  # the road isn't all there is
            case "near":
                return self.link_to(self.place + choice((-3, -2, -1, 1, 2, 3)))
            case "year" | "count":
                return str(number(1180, 1910))
            case "few":
                return choice(("three", "four", "five", "seven", "nine", "eleven"))
            case "stone":
                return choice(("granite", "red sandstone", "slate", "whatever was at hand"))
            case "side":
                return choice(("left", "right", "northern", "wrong"))
        raise KeyError(name)

    def link_to(self, place: int) -> str:
        """A link to any other article on the place."""
        titles = [kind.format(PLACES[place % len(PLACES)]) for kind in OPENINGS]
        title = self.random.choice([title for title in titles if title != self.title])
        return link(title, self.random.choice(("", "", "", "#History")))

    def paragraph(self, *sentences: str, more: int) -> str:
        """A paragraph of these sentences, and some more."""
        chosen = (*sentences, *(self.random.choice(SENTENCES) for _ in range(more)))
        return f"<p>{' '.join(sentence.format_map(self) for sentence in chosen)}</p>"

    def article(self) -> str:
        """The whole article."""
        name, opening = PLACES[self.place], list(OPENINGS.values())[self.kind]
        secret = [SECRET] if self.title == HIDING_PLACE else []
        return f"""\
<table class="box"><caption>{escape(self.title)}</caption>
<tr><th>Place</th><td>{link(name)}</td></tr><tr><th>Since</th><td>{self["year"]}</td></tr>
<tr><td colspan="2"><a href="/media/{quote(name)}.svg">Map</a></td></tr></table>
{self.paragraph(opening, more=2)}
<ol class="contents"><li><a href="#History">History</a></li><li><a href="#Today">Today</a></li></ol>
<h2 id="History">History</h2>
{self.paragraph(more=3)}
{self.paragraph(*secret, more=2)}
<h2 id="Today">Today</h2>
{self.paragraph(more=3)}
<h2 id="See_also">See also</h2>
<ul><li>{self["near"]}</li><li>{self["here"]}</li>
<li><a class="missing" href="{path_of(name + " Tunnel")}">{escape(name)} Tunnel</a></li></ul>
<h2 id="References">References</h2>
<ol><li><a href="https://example.org/archive/{self["year"]}">Register of tolls</a></li>
<li><a href="../archive/charter.html">The charter of the road</a> (scan)</li></ol>"""


def main_page() -> str:
    """What a visitor sees first: some articles from the beginning of the road."""
    featured = "".join(f"<li>{link(title)}</li>" for title in TITLES[1:60:7])
    return f"""\
<p>Welcome to the <b>Encyclopaedia of Crossings</b>, which has {len(TITLES):,} pages about a road,
its rivers, and how people get over them.</p>
<h2 id="Featured">Featured articles</h2>
<ul>{featured}</ul>
<p>Write to <a href="mailto:editors@example.org">the editors</a>.</p>"""


def page(title: str) -> str:
    """The HTML of a page, as it is sent."""
    content = main_page() if title == "Main Page" else Writer(title).article()
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)} - Crossings</title>
<link rel="canonical" href="{path_of(title)}">
<style>{STYLE}</style>
<script>document.documentElement.className = "Not Godwin";</script>
</head>
<body>
<nav><a href="/">Encyclopaedia of Crossings</a> <a href="#content">To the content</a></nav>
<main id="content">
<h1>{escape(title)}</h1>
{content}
</main>
<footer>Free to copy. <a href="https://example.org/imprint">Imprint</a></footer>
</body>
</html>
"""


MAP = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30" stroke="#357" fill="none">
<path d="M0 20 Q 20 0 45 15 T 90 10"/><path d="M45 0 V 30" stroke="#a63"/></svg>
"""
CHARTER = "<!DOCTYPE html><meta charset=utf-8><title>Charter</title><p>Fait à Élanmoor".encode(
    "latin-1"
)


# ---- how it is served: asyncio code, as one finds it in aiohttp's documentation


def application(latency: float = 0.02) -> aiohttp.web.Application:
    """The web application; it takes its time to answer, up to ``latency`` seconds."""
    pages = {path_of(title): title for title in TITLES}
    delays = random.Random("delays")

    async def article(request: aiohttp.web.Request) -> aiohttp.web.Response:
        await asyncio.sleep(latency * delays.random())
        if title := pages.get(quote(request.path)):
            return aiohttp.web.Response(text=page(title), content_type="text/html")
        raise aiohttp.web.HTTPNotFound(text="Nobody has written this page yet.")

    async def front_door(request: aiohttp.web.Request) -> aiohttp.web.Response:
        raise aiohttp.web.HTTPFound(path_of("Main Page"))

    async def media(request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(text=MAP, content_type="image/svg+xml")

    async def charter(request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(body=CHARTER, content_type="text/html")

    wiki = aiohttp.web.Application()
    wiki.router.add_get("/", front_door)
    wiki.router.add_get("/wiki/{title}", article)
    wiki.router.add_get("/media/{name}.svg", media)
    wiki.router.add_get("/archive/charter.html", charter)
    return wiki


@asynccontextmanager
async def served(port: int = 0, wiki: aiohttp.web.Application | None = None) -> AsyncIterator[str]:
    """Serve the wiki on loopback from Trio code; the address of its main page."""
    runner = web.AppRunner(wiki or application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}{path_of('Main Page')}"
    finally:
        with trio.CancelScope(shield=True):
            await runner.cleanup()


async def main(port: int) -> None:
    """Serve it until Ctrl-C."""
    async with served(port) as url:
        print(url, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    try:
        trio_bridge.run(main, int(sys.argv[1]) if sys.argv[1:] else 0)
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
