"""What the crawler shows: how it goes, on standard error; what came out, on standard output.

On a terminal the progress is a panel that is drawn anew ten times a second, by a Trio task. In a
file or a pipe it is a line each second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import re

    from godwin_crawler import Crawl, Page

DEPTHS = 8
"""How many of the deepest levels the panel has room for."""

TITLE = 60
"""How many letters of a title the result has room for."""


async def show_progress(crawl: Crawl, timeout: float) -> None:
    """Show how the crawl goes until it has ended, which cancels this."""
    console = Console(stderr=True)
    if not console.file.isatty() or console.is_dumb_terminal:
        while True:
            await trio.sleep(1)
            console.print(line(crawl), soft_wrap=True, highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                live.update(panel(crawl, timeout), refresh=True)
                await trio.sleep(0.1)
        finally:
            with trio.CancelScope(shield=True):
                while crawl.in_flight:  # the other tasks are being cancelled, too
                    await trio.sleep(0.005)
            live.update(panel(crawl, timeout), refresh=True)


# ---- the progress


def line(crawl: Crawl) -> str:
    """How it goes, as a line."""
    facts = ", ".join(f"{value} {name}" for name, value in numbers(crawl).items())
    return f"{crawl.elapsed:.1f} s: {facts}"


def numbers(crawl: Crawl) -> dict[str, str]:
    """How it goes, in figures."""
    return {
        "fetched": f"{crawl.fetched:,}",
        "failed": f"{crawl.failures.total():,}",
        "in flight": f"{len(crawl.in_flight)}",
        "queued": f"{crawl.queued:,}",
        "pages/s": f"{crawl.fetched / max(crawl.elapsed, 0.001):,.0f}",
        "links deep": f"{max(crawl.found)}",
    }


def panel(crawl: Crawl, timeout: float) -> Panel:
    """How it goes, as a picture: the figures, a bar for each depth, what is being fetched."""
    return Panel(
        Group(figures(crawl), "", depths(crawl), "", now(crawl)),
        title=Text.assemble("Looking for ", (clean(crawl.pattern.pattern), "bold magenta")),
        title_align="left",
        subtitle=f"{crawl.elapsed:.1f} s of {timeout:g}",
        subtitle_align="right",
        border_style="green" if crawl.match else "cyan",
        padding=(1, 2),
    )


def figures(crawl: Crawl) -> Table:
    """The figures, large ones above small names."""
    table = Table.grid(expand=True)
    for _ in numbers(crawl):
        table.add_column(justify="center", ratio=1)
    table.add_row(*(Text(value, "bold white") for value in numbers(crawl).values()))
    table.add_row(*(Text(name, "dim") for name in numbers(crawl)))
    return table


def depths(crawl: Crawl) -> Table:
    """For each depth a bar: as long as many pages were found there, bright as far as visited."""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    most = max(crawl.found.values())
    for depth in sorted(crawl.found)[-DEPTHS:]:
        visited, found = crawl.visited[depth], crawl.found[depth]
        bar = Table.grid(expand=True)
        bar.add_column(ratio=found)
        bar.add_column(ratio=most - found)
        bar.add_row(ProgressBar(found, visited, complete_style="cyan", finished_style="green"), "")
        table.add_row(f"depth {depth}", bar, f"{visited:,} of {found:,}")
    return table


def now(crawl: Crawl) -> Text:
    """What is being fetched, as much as fits on a line."""
    names = " · ".join(name(page) for page in crawl.in_flight)
    return Text.assemble(("→ " if names else "", "cyan"), names, no_wrap=True, overflow="ellipsis")


def name(page: Page) -> str:
    """The end of a page's address, for people."""
    path = unquote(urlsplit(page.url).path)
    return clean(path.rstrip("/").rpartition("/")[2].replace("_", " ")) or "/"


def clean(text: str) -> str:
    """Text from the web, without what would be a command to the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


# ---- the result


def result(crawl: Crawl) -> Text:
    """The way to the page that matches, or why there is none."""
    if not crawl.match:
        return Text(f"{why_not(crawl)}\n{summary(crawl)}")
    page, match = crawl.match
    text = Text.assemble("Found ", (clean(match[0]), "bold magenta"), f". {summary(crawl)}\n")
    text.append(f"The way there is {count(page.depth, 'link')} long:\n")
    titles = [clean(step.title)[:TITLE] for step in page.path()]
    for step, title in zip(page.path(), titles, strict=True):
        text.append(f"{step.depth:4}  ", "cyan")
        text.append(title.ljust(max(map(len, titles))), "bold")
        text.append(f"  {clean(step.url)}\n", "dim")
    return text.append_text(quotation(match))


def summary(crawl: Crawl) -> str:
    """What was done."""
    text = f"{count(crawl.fetched, 'page')} fetched in {crawl.elapsed:.2f} s"
    if not crawl.failures:
        return f"{text}."
    reasons = ", ".join(
        f"{reason} ({number:,})" for reason, number in crawl.failures.most_common(9)
    )
    return f"{text}, {count(crawl.failures.total(), 'failure')}:\n  {clean(reasons)}"


def why_not(crawl: Crawl) -> str:
    """Why there is no page."""
    pattern = clean(crawl.pattern.pattern)
    if crawl.unfinished:
        return (
            f"Out of time: nothing matches {pattern} yet, {count(crawl.unfinished, 'page')} left."
        )
    if not crawl.fetched:
        return f"The start page can't be fetched: {crawl.start.url}"
    return f"No page matches {pattern}."


def count(number: int, thing: str) -> str:
    """So many of them."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def quotation(match: re.Match[str], around: int = 36) -> Text:
    """The match, with what stands around it."""
    page, (start, end) = match.string, match.span()
    before, after = page[max(0, start - around) : start], page[end : end + around]
    text = Text.assemble("      “…", clean(before), (clean(match[0]), "bold magenta"))
    return text.append(f"{clean(after)}…”")
