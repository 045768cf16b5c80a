"""Django's ASGI application on uvicorn, in a Trio program: views, threads and models."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing, asynccontextmanager

import pytest
import trio

from trio_bridge import aio2trio, trio2aio

LIBRARIES = ("django", "asgiref", "uvicorn")

django = pytest.importorskip("django")
httpx = pytest.importorskip("httpx")
pytest.importorskip("uvicorn")
from asgiref.sync import async_to_sync, sync_to_async  # noqa: E402 -- they need Django
from django.conf import settings  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.exceptions import SynchronousOnlyOperation  # noqa: E402
from django.db import connection, connections, models  # noqa: E402
from django.http import Http404, HttpResponse, StreamingHttpResponse  # noqa: E402
from django.test import AsyncClient  # noqa: E402
from django.urls import path  # noqa: E402

from ecosystem import uvicorn_in_trio  # noqa: E402

HANG = uvicorn_in_trio.HANG
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "testserver"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "set by a fixture"}},
    LOGGING_CONFIG=None,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not one",
)
django.setup()


class Duck(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "ducks"


class Seen:
    """What the views of a test have seen."""

    def __init__(self):
        self.waits = trio.Event()
        self.cancelled = trio.Event()
        self.stream_ended = trio.Event()


seen = Seen()


@aio2trio
async def double(request, number):
    await trio.sleep(0)
    return HttpResponse(str(2 * number))


def in_a_thread(request, number):
    async def add_one():
        await trio.sleep(0)
        return number + 1

    if threading.current_thread() is threading.main_thread():
        return HttpResponse("in the main thread", status=500)
    return HttpResponse(str(async_to_sync(aio2trio(add_one))()))


@aio2trio
async def wait(request):
    seen.waits.set()
    try:
        await trio.sleep_forever()
    finally:
        seen.cancelled.set()


def wait_in_a_thread(request):
    return async_to_sync(wait)(request)


def stream(request):
    return StreamingHttpResponse(numbers())


@aio2trio
async def numbers():
    try:
        for number in range(10**9):
            yield f"{number}\n"
            await trio.sleep(0.001)
    finally:
        seen.stream_ended.set()


async def ducks(request):  # asyncio code
    await Duck.objects.acreate(name=request.GET["name"])
    return HttpResponse(" ".join([duck.name async for duck in Duck.objects.order_by("id")]))


@aio2trio
async def missing(request):
    raise Http404


@aio2trio
async def fail(request):
    raise KeyError("no")


urlpatterns = [
    path("double/<int:number>", double),
    path("thread/<int:number>", in_a_thread),
    path("wait", wait),
    path("wait/thread", wait_in_a_thread),
    path("stream", stream),
    path("ducks", ducks),
    path("missing", missing),
    path("fail", fail),
]


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch):
    monkeypatch.setitem(globals(), "seen", Seen())


@pytest.fixture
def database(tmp_path):
    """A table for ducks, in a file: Django's requests have a thread, and a connection, each."""
    connections.settings["default"]["NAME"] = str(tmp_path / "ducks.sqlite3")
    connections.close_all()
    with connection.schema_editor() as editor:
        editor.create_model(Duck)
    connections.close_all()


@asynccontextmanager
async def serving():
    """A client of the application, which uvicorn serves meanwhile."""
    async with uvicorn_in_trio.serving(get_asgi_application(), lifespan="off") as (url, _):
        async with trio2aio(httpx).AsyncClient(base_url=url, timeout=HANG) as client:
            yield client


async def test_views_are_trio_code_or_in_threads_that_call_it():
    async with serving() as client:
        assert (await client.get("/double/21")).text == "42"
        assert (await client.get("/thread/41")).text == "42"


async def test_models_are_used_in_requests_and_in_trio_code(database):
    await trio2aio(Duck.objects.acreate)(name="Riri")
    async with serving() as client:
        assert (await client.get("/ducks", params={"name": "Fifi"})).text == "Riri Fifi"
    names = [duck.name async for duck in trio2aio(Duck.objects.order_by("name"))]
    assert names == ["Fifi", "Riri"]
    with pytest.raises(SynchronousOnlyOperation):
        trio2aio(Duck.objects.create)(name="Loulou")  # on the asyncio side, where it would block
    await trio2aio(sync_to_async(connections.close_all))()


async def test_tasks_share_an_application():
    answers = set()

    async def ask(client, path):
        answers.add((path, (await client.get(path)).text))

    async with serving() as client, trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(ask, client, f"/double/{number}")
            nursery.start_soon(ask, client, f"/thread/{number}")
    doubles = {(f"/double/{number}", str(2 * number)) for number in range(10)}
    assert answers == doubles | {(f"/thread/{number}", str(number + 1)) for number in range(10)}


@pytest.mark.parametrize("path", ["/wait", "/wait/thread"])
async def test_a_deadline_of_a_client_cancels_the_view(path):
    async with serving() as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, path)
            await seen.waits.wait()
            nursery.cancel_scope.deadline = trio.current_time() + 0.01
        assert nursery.cancel_scope.cancelled_caught
        with trio.fail_after(HANG):
            await seen.cancelled.wait()
        assert (await client.get("/double/1")).text == "2"


async def test_a_deadline_cuts_a_stream_in_the_trio_code_too():
    async with serving() as client:
        async with client.stream("GET", "/stream") as response:
            async with aclosing(response.aiter_lines()) as lines:
                assert [await anext(lines) for _ in range(3)] == ["0", "1", "2"]
        with trio.fail_after(HANG):
            await seen.stream_ended.wait()
        assert (await client.get("/double/1")).text == "2"


async def test_a_deadline_around_a_request_without_a_server():
    client = trio2aio(AsyncClient())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.get, "/wait")
        await seen.waits.wait()
        nursery.cancel_scope.deadline = trio.current_time() + 0.01
    assert nursery.cancel_scope.cancelled_caught
    assert seen.cancelled.is_set()
    assert (await client.get("/double/21")).content == b"42"


async def test_errors_are_answers_and_without_a_server_ones_own(caplog):
    async with serving() as client:
        assert (await client.get("/missing")).status_code == 404
        assert (await client.get("/fail")).status_code == 500
        assert (await client.get("/double/1")).text == "2"
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.exc_info[0] is KeyError
    with pytest.raises(KeyError, match="no"):
        await trio2aio(AsyncClient()).get("/fail")


async def test_nothing_is_left_of_the_application(database):
    threads = set(threading.enumerate())
    async with serving() as client:
        assert (await client.get("/thread/1")).text == "2"
        assert (await client.get("/ducks", params={"name": "Riri"})).text == "Riri"
    assert trio2aio(asyncio.all_tasks)() == set()
    assert set(threading.enumerate()) <= threads
