"""The crawler's two HTTP clients. Each is a block in which there is a function that fetches a page.

aiohttp is an asyncio library and comes in through the bridge, httpx is at home on Trio: the code is
the same. Neither has a timeout or a limit of its own, as Trio's scopes and nurseries bound it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from email.message import Message
from html import escape
from typing import TypeAlias

import aiohttp
import httpx
from bs4.dammit import EncodingDetector

from trio_bridge import trio2aio

http = trio2aio(aiohttp)  # all that it takes to use the library from Trio code

AGENT = {"User-Agent": "godwin-crawler (an example of trio_bridge)"}


class FetchError(Exception):
    """The server has answered, but there is nothing to read."""


# UnicodeError: both clients raise it as it is for host names that can't be, like "a..b".
FAILURES = (
    *(FetchError, aiohttp.ClientError, httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError),
)


def reason(error: Exception) -> str:
    """A failure in a few words, the same for failures of the same kind."""
    return str(error) if isinstance(error, FetchError) else type(error).__name__


Fetch: TypeAlias = Callable[[str], Awaitable[str]]
"""Takes an address; returns the HTML that is there, or raises one of ``FAILURES``."""


@asynccontextmanager
async def aiohttp_client() -> AsyncIterator[Fetch]:
    """Fetch with aiohttp, on the asyncio side. Leaving the block closes all connections."""
    session: aiohttp.ClientSession = http.ClientSession(
        headers=AGENT, timeout=http.ClientTimeout(), connector=http.TCPConnector(limit=0)
    )

    async def fetch(url: str) -> str:
        async with session.get(url, allow_redirects=False) as response:
            return await receive(response.status, response.headers, response.read)

    async with session:
        yield fetch


@asynccontextmanager
async def httpx_client() -> AsyncIterator[Fetch]:
    """Fetch with httpx, on the Trio side. Leaving the block closes all connections."""
    unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(headers=AGENT, timeout=None, limits=unlimited, trust_env=False)

    async def fetch(url: str) -> str:
        async with client.stream("GET", url) as response:
            return await receive(response.status_code, response.headers, response.aread)

    async with client:
        yield fetch


CLIENTS = {"aiohttp": aiohttp_client, "httpx": httpx_client}


async def receive(
    status: int, headers: Mapping[str, str], read: Callable[[], Awaitable[bytes]]
) -> str:
    """Read the rest of an answer if it is worth it. A redirect counts as a page with one link."""
    if 300 <= status < 400 and "Location" in headers:
        return f'<a href="{escape(headers["Location"])}"></a>'
    if not 200 <= status < 300:
        raise FetchError(f"HTTP {status}")
    content = Message()
    content["Content-Type"] = headers.get("Content-Type", "")
    kind = content.get_content_type()
    if kind not in ("text/html", "application/xhtml+xml"):
        raise FetchError(f"{kind} instead of HTML")
    return decode(await read(), content.get_content_charset())


def decode(body: bytes, charset: str | None) -> str:
    """A page's text, in the encoding that its header declares, or the page itself."""
    charset = charset or EncodingDetector.find_declared_encoding(body, is_html=True) or "utf-8"
    try:
        return body.decode(charset)
    except (LookupError, ValueError) as error:  # no such encoding, or the page isn't in it
        raise FetchError(f"not in {charset}") from error
