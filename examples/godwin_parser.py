"""What the crawler reads in a page: its title, its text and its links."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit, urlunsplit

from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, XMLParsedAsHTMLWarning

# Not every page is what the parser would like it to be.
warnings.filterwarnings("ignore", category=MarkupResemblesLocatorWarning)
warnings.filterwarnings("ignore", category=XMLParsedAsHTMLWarning)


@dataclass
class Document:
    """A page that was read."""

    title: str = ""
    text: str = ""
    links: list[str] = field(default_factory=list)


def parse(url: str, html: str) -> Document:
    """Read the page that was at ``url``."""
    soup = BeautifulSoup(html, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    base = soup.find("base", href=True)
    where = (link(url, str(base["href"])) if base else None) or url
    links = [link(where, str(tag["href"])) for tag in soup.find_all("a", href=True)]
    text = " ".join(soup.get_text(" ").split())
    return Document(title, text, [address for address in links if address])


def link(where: str, reference: str) -> str | None:
    """The address that a reference leads to, without an anchor; ``None`` if that is no page."""
    try:
        parts = urlsplit(urljoin(where, reference.strip()))
        _ = parts.port  # raises an error if it is none
    except ValueError:
        return None  # as in <a href="http://[">
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return urlunsplit(parts._replace(path=parts.path or "/", fragment=""))
