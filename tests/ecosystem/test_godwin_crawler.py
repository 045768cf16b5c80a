"""The crawler of ``examples/``, with both clients: on its own wiki, on servers that misbehave."""

from __future__ import annotations

import asyncio
import functools
import gzip
import os
import re
import signal
import subprocess
import sys
import time
import traceback

import pytest
import trio
from conftest import HANG, PYTHONPATH, ROOT

from ecosystem.counting_server import answer, links, serving

LIBRARIES = ("aiohttp", "beautifulsoup4", "httpx", "rich")

for library in ("aiohttp", "bs4", "httpx", "rich"):
    pytest.importorskip(library)
sys.path.append(str(ROOT / "examples"))

import aiohttp.web  # noqa: E402
import godwin_crawler  # noqa: E402
import wiki  # noqa: E402
from godwin_clients import CLIENTS  # noqa: E402
from godwin_crawler import Crawl  # noqa: E402
from godwin_parser import parse  # noqa: E402

# The program ignores it; pytest forgets that for each test.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:godwin_parser")

SCRIPT = ROOT / "examples" / "godwin_crawler.py"
WORD = re.compile(r"\bGodwin\b")


@pytest.fixture(params=list(CLIENTS))
def client(request):
    return request.param


async def crawl(client, url, pattern=WORD, **options):
    """Crawl to the end; the crawl."""
    result = Crawl(url, pattern, **options)
    with trio.fail_after(HANG):
        async with CLIENTS[client]() as fetch:
            await result.run(fetch)
    return result


# ---- sites

SLOW = 5


def slow_site():
    """A page that answers after five seconds, and one that leads to many such."""
    slow = [f"/slow/{number}" for number in range(30)]
    pages = {path: answer("late") for path in ("/", *slow)} | {"/hub": answer(links(*slow))}
    return serving(pages, dict.fromkeys(("/", *slow), SLOW))


# ---- the wiki


def shortest_depths():
    """How far each of the wiki's pages is from the main page, by its HTML alone."""
    start = wiki.path_of("Main Page")
    pages = {wiki.path_of(title): wiki.page(title) for title in wiki.TITLES}
    depths, queue = {start: 0}, [start]
    for path in queue:
        for found in re.findall(r'href="(/wiki/[^"#]+)', pages[path]):
            if found in pages and found not in depths:
                depths[found] = depths[path] + 1
                queue.append(found)
    return depths


def test_the_wiki_has_a_thousand_pages_one_of_which_has_the_word():
    assert len(set(wiki.TITLES)) == 1000
    assert len(shortest_depths()) == 1000
    texts = {title: parse("http://wiki/", wiki.page(title)).text for title in wiki.TITLES}
    assert [title for title, text in texts.items() if WORD.search(text)] == [wiki.HIDING_PLACE]
    assert len(set(texts.values())) == 1000
    assert min(map(len, texts.values())) > 400


async def test_both_clients_find_the_word_by_the_same_shortest_path():
    paths = []
    async with wiki.served() as url:
        for client in CLIENTS:
            found = await crawl(client, url)
            page, match = found.match
            paths.append([step.url for step in page.path()])
            assert match[0] == "Godwin"
            assert page.depth == shortest_depths()[wiki.path_of(wiki.HIDING_PLACE)] >= 3
            assert found.fetched < 1000
    assert paths[0] == paths[1]
    assert paths[0][0] == url
    for page, following in zip(paths[0], paths[0][1:], strict=False):
        title = next(title for title in wiki.TITLES if page.endswith(wiki.path_of(title)))
        assert following in parse(page, wiki.page(title)).links


async def test_without_a_match_it_reads_every_page(client):
    async with wiki.served(wiki=wiki.application(latency=0)) as url:
        found = await crawl(client, url, re.compile("no page says this"))
    assert not found.match
    assert found.fetched == 1000 + 1  # and a redirect
    places = len(wiki.PLACES)
    assert found.failures == {
        "HTTP 404": places,
        "image/svg+xml instead of HTML": places,
        "not in utf-8": 1,
    }
    assert (found.queued, found.unfinished, found.in_flight) == (0, 0, [])


# ---- at most so many fetches at once


async def test_the_server_never_sees_more_than_the_limit_at_once(client):
    at_once = most = requests = 0
    all_busy = asyncio.Event()

    @aiohttp.web.middleware
    async def count(request, handler):
        nonlocal at_once, most, requests
        requests += 1
        at_once += 1
        most = max(most, at_once)
        if at_once == 10:
            all_busy.set()
        try:
            if requests > 1:  # from the second page on there is enough to do for ten
                async with asyncio.timeout(HANG):
                    await all_busy.wait()
            return await handler(request)
        finally:
            at_once -= 1

    application = wiki.application()
    application.middlewares.append(count)
    async with wiki.served(wiki=application) as url:
        found = await crawl(client, url, limit=10)
    assert found.match
    assert most == 10


# ---- the deadline, the first match


@pytest.mark.parametrize(("start", "connections"), [("/", 1), ("/hub", 10)])
async def test_a_deadline_ends_it_at_once_and_leaves_no_connection(
    client, start, connections, capsys
):
    async with slow_site() as (server, url):
        arguments = ["--client", client, "--limit", "10", "--timeout", "1", url + start]
        times = []
        # A busy machine makes one run late; what waits for something makes all of them late.
        while len(times) < 10 and min(times, default=2) >= 1.2:
            server.opened = 0
            begun = trio.current_time()
            status = await godwin_crawler.main(godwin_crawler.options(arguments))
            times.append(trio.current_time() - begun)
            assert status == 1
            await server.until_all_have_gone()
            assert server.opened == connections
    assert 1 <= min(times) < 1.2
    error = capsys.readouterr().err
    assert "Out of time: nothing matches" in error


async def test_the_first_match_ends_it_at_once_and_leaves_no_connection(client):
    slow = [f"/slow/{number}" for number in range(9)]
    pages = {"/": answer(links(*slow, "/match")), "/match": answer("a zebra")}
    async with serving(pages, {**dict.fromkeys(slow, 3600), "/match": 0.2}) as (server, url):
        found = await crawl(client, url, re.compile("zebra"))
        await server.until_all_have_gone()
    assert found.match[0].url == f"{url}/match"
    assert sorted(server.requests) == sorted(["/", "/match", *slow])


async def test_a_page_that_takes_long_to_parse_doesnt_outlast_the_deadline(client):
    def parse_for_ever(url, html):
        while not over:
            time.sleep(0.01)

    over = []
    async with serving({"/": answer("")}) as (server, url):
        with trio.move_on_after(0.2) as deadline:
            await crawl(client, url, parse=parse_for_ever)
        over.append(True)
        assert deadline.cancelled_caught
        await server.until_all_have_gone()


async def test_leaving_a_client_closes_the_connections_that_it_keeps(client):
    async with serving({"/": answer("")}) as (server, url):
        async with CLIENTS[client]() as fetch:
            await fetch(f"{url}/")
            assert server.open == 1
        await server.until_all_have_gone()
    del fetch  # only now may the garbage collector have them


# ---- what goes wrong


async def test_fetches_that_fail_are_counted_and_the_crawl_goes_on(client):
    failing = {
        "/missing": answer("", status="404 Not Found"),
        "/broken": answer("", status="500 Internal Server Error"),
        "/picture": answer(b"\x89PNG", content_type="image/png"),
        "/no-type": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "/not-utf-8": answer("é".encode("latin-1"), content_type="text/html; charset=utf-8"),
        "/declares-utf-8": answer('<meta charset="utf-8">é'.encode("latin-1")),
        "/no-such-encoding": answer("nuqneH", content_type="text/html; charset=klingon"),
        "/hangs-up": b"",
        "/truncated": answer("half of", "Content-Length: 100"),
        "/not-http": b"220 ready\r\n\r\n",
    }
    reading = {
        "/latin-1": answer(b"\xe9", content_type="text/html; charset=latin-1"),
        "/compressed": answer(gzip.compress(b"<p>hello"), "Content-Encoding: gzip"),
        "/xhtml": answer('<?xml version="1.0"?><html/>', content_type="application/xhtml+xml"),
        "/looks-like-a-file.txt": answer("name.txt"),
        "/nothing": answer(""),
        "/moved": answer("", "Location: /nothing", status="301 Moved Permanently"),
        "/moved-nowhere": answer("", "Location: http://[", status="302 Found"),
        "/moved-in-circles": answer("", "Location: /moved-in-circles", status="307 No"),
    }
    unreachable = ("http://127.0.0.1:1/", "http://a..b/")
    senseless = ["http://[", "http://a:99999/", "mailto:a@b.org", "javascript:void(0)", "//", "#x"]
    hub = links(*failing, *reading, *unreachable, *senseless)
    pages = {"/": answer(hub), **failing, **reading}
    async with serving(pages, hangs_up=("/hangs-up", "/truncated")) as (_, url):
        found = await crawl(client, f"{url}/", re.compile("zebra"), other_sites=True)
    assert not found.match
    assert found.fetched == 1 + len(reading)
    assert found.failures.total() == len(failing) + len(unreachable)
    assert found.failures["HTTP 404"] == found.failures["HTTP 500"] == 1
    assert found.failures["image/png instead of HTML"] == 1
    assert found.failures["not in utf-8"] == 2
    assert found.failures["not in klingon"] == 1


# httpx leaves its generators to the garbage collector then (encode/httpx#3593); Trio closes them,
# and says so.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
async def test_a_body_that_cant_be_decompressed_is_a_failure(client):
    async with serving({"/": answer("no gzip", "Content-Encoding: gzip")}) as (_, url):
        found = await crawl(client, url)
    assert (found.fetched, found.failures.total()) == (0, 1)


async def test_a_bug_in_the_parser_ends_the_crawl(client):
    def buggy_parser(url, html):
        if "zebra" in html:
            raise ZeroDivisionError(url)
        return parse(url, html)

    slow = [f"/slow/{number}" for number in range(9)]
    pages = {"/": answer(links(*slow, "/bug")), "/bug": answer("a zebra")}
    async with serving(pages, dict.fromkeys(slow, 3600)) as (server, url):
        with pytest.raises(ExceptionGroup) as caught:
            await crawl(client, url, parse=buggy_parser)
        await server.until_all_have_gone()
    (error,) = caught.value.exceptions
    assert isinstance(error, ZeroDivisionError)
    printed = "".join(traceback.format_exception(caught.value))
    assert "in buggy_parser" in printed
    assert f"ZeroDivisionError: {url}/bug" in printed
    assert "Cancelled" not in printed


# ---- one site, or all


async def test_links_to_other_sites_are_followed_when_asked_for(client):
    async with serving({"/": answer("a zebra")}) as (other, elsewhere):
        async with serving({"/": answer(links(f"{elsewhere}/"))}) as (_, url):
            found = await crawl(client, f"{url}/", re.compile("zebra"))
            assert (found.match, other.opened) == (None, 0)
            moved = answer("", f"Location: {elsewhere}/", status="302 Found")
            async with serving({"/": moved}) as (_, moving):
                found = await crawl(client, f"{moving}/", re.compile("zebra"))
                assert (found.match, other.opened) == (None, 0)
            found = await crawl(client, f"{url}/", re.compile("zebra"), other_sites=True)
            assert [page.url for page in found.match[0].path()] == [f"{url}/", f"{elsewhere}/"]


# ---- the program


async def run_crawler(*arguments):
    """Run it as a user does, but for ``-W error``."""
    with trio.fail_after(HANG):
        return await trio.run_process(
            [sys.executable, "-W", "error", str(SCRIPT), *arguments],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
        )


async def test_the_program_finds_the_word_on_a_wiki_of_its_own(client):
    result = await run_crawler("--client", client, "--timeout", "45")
    out, err = result.stdout.decode(), result.stderr.decode()
    assert result.returncode == 0, err
    assert re.match(r"Found Godwin\. \d+ pages fetched in \d+\.\d\d s, \d+ failures:\n", out)
    path = re.findall(r"^ +(\d)  (.*?) +http://127\.0\.0\.1:\d+/wiki/.+$", out, re.MULTILINE)
    assert path[0] == ("0", "Main Page - Crossings")
    assert path[-1] == ("5", f"{wiki.HIDING_PLACE} - Crossings")
    assert "known as Godwin's law" in out
    # No terminal: a line a second, and nothing that only a terminal understands.
    assert all(re.match(r"\d+\.\d s: \d+ fetched, ", line) for line in err.splitlines())
    assert "\x1b" not in out + err


async def test_the_program_doesnt_wait_for_answers_after_its_deadline(client):
    async with slow_site() as (server, url):
        result = await run_crawler("--client", client, "--timeout", "1", f"{url}/hub")
        await server.until_all_have_gone()
        # Without the start of Python, with its end, on a busy machine.
        took = time.monotonic() - server.opened_at
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"Out of time: nothing matches" in result.stderr
    assert b"Traceback" not in result.stderr
    assert took < SLOW


async def test_the_program_says_why_it_found_nothing(client):
    pages = {"/a": answer("name.txt"), "/b": answer('<?xml version="1.0"?><rss></rss>')}
    async with serving({"/": answer(links(*pages)), **pages}) as (_, url):
        result = await run_crawler("--client", client, "--pattern", "zebras?", url)
        assert (result.returncode, result.stdout) == (1, b"")
        assert b"No page matches zebras?.\n3 pages fetched in" in result.stderr
        result = await run_crawler("--client", client, f"{url}/missing")
        assert (result.returncode, result.stdout) == (1, b"")
        assert f"The start page can't be fetched: {url}/missing" in result.stderr.decode()
        assert b"1 failure:\n  HTTP 404 (1)" in result.stderr


async def test_ctrl_c_ends_the_program_cleanly(client):
    async with slow_site() as (server, url), trio.open_nursery() as nursery:
        process = await nursery.start(
            functools.partial(
                trio.run_process,
                [sys.executable, "-W", "error", str(SCRIPT), "--client", client, f"{url}/hub"],
                capture_stdout=True,
                stderr=subprocess.PIPE,
                check=False,
                env={**os.environ, "PYTHONPATH": PYTHONPATH},
            )
        )
        with trio.fail_after(HANG):
            while len(server.requests) < 11:
                await trio.sleep(0.01)
            process.send_signal(signal.SIGINT)
            error = b"".join([chunk async for chunk in process.stderr])
            await process.wait()
        await server.until_all_have_gone()
    assert error.splitlines()[-1] == b"Interrupted."
    assert b"Traceback" not in error
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        (["--pattern", "(a"], r"'\(a' is no regular expression: .*unterminated"),
        (["--limit", "0"], "'0' is no whole number from 1 on"),
        (["--limit", "ten"], "'ten' is no whole number from 1 on"),
        (["--timeout", "-1"], "'-1' is no number of seconds above 0"),
        (["--timeout", "0"], "'0' is no number of seconds above 0"),
        (["--timeout", "nan"], "'nan' is no number of seconds above 0"),
        (["ftp://example.org/"], "'ftp://example.org/' doesn't begin with http:// or https://"),
        (["example.org"], "'example.org' doesn't begin with http:// or https://"),
        (["http://example.org:port/"], "'http://example.org:port/' doesn't begin with"),
        (["--client", "curl"], "invalid choice: 'curl'"),
    ],
)
def test_a_wrong_argument_is_named(arguments, mistake, capsys):
    with pytest.raises(SystemExit) as caught:
        godwin_crawler.options(arguments)
    assert caught.value.code == 2
    assert re.search(mistake, capsys.readouterr().err)


@pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")  # other tests have threads
def test_on_a_terminal_there_is_a_panel_and_the_cursor_comes_back():
    pexpect = pytest.importorskip("pexpect")
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "TERM": "xterm-256color"}
    arguments = ["-W", "error", str(SCRIPT), "--timeout", "45"]
    terminal = pexpect.spawn(
        sys.executable, arguments, env=environment, dimensions=(40, 100), timeout=HANG
    )
    terminal.expect("Looking for")
    terminal.expect("depth 5")
    terminal.expect("Found .*Godwin.*links long")
    shown = terminal.before + terminal.after
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert b"\x1b[?25h" in shown  # the cursor is visible again
