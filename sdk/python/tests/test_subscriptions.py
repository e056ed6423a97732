"""Subscriptions of both clients, through lost connections, slow consumers, and servers that are no memX."""

from __future__ import annotations

import asyncio
import http.server
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.server import serve

from memx_sdk import (
    AsyncMemX,
    ForbiddenError,
    InvalidRequestError,
    MemX,
    MemxError,
    NetworkError,
    Set,
    Status,
    TimeoutError,
    UnauthorizedError,
)

from .support.proxy import Proxy

Create = Callable[..., Any]


def values(subscription: Any, count: int) -> list[Any]:
    return [subscription.receive(30).value for _ in range(count)]


class Statuses:
    """What `on_status` reports."""

    def __init__(self) -> None:
        self.seen: list[tuple[Status, MemxError | None]] = []
        self._changed = threading.Condition()

    def __call__(self, status: Status, error: MemxError | None) -> None:
        with self._changed:
            self.seen.append((status, error))
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[Status, MemxError | None], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: any(condition(*each) for each in self.seen), 60), self.seen


def test_delivers_what_happens_in_the_block(memx: Any, prefix: str) -> None:
    with memx.subscribe(prefix) as changes:
        assert (changes.status, changes.last_error, changes.error) == ("live", None, None)
        memx.set(prefix, {"x": 1})
        memx.set(f"{prefix}other", 0)
        memx.delete(prefix)
        memx.set(prefix, 2, ttl=1)
        events = [changes.receive(30) for _ in range(4)]
    assert [(event.action, event.value) for event in events] == [
        ("set", {"x": 1}),
        ("delete", None),
        ("set", 2),
        ("expire", None),
    ]
    assert [event.previous for event in events[1:]] == [event.revision for event in events[:-1]]
    assert changes.status == "closed"


def test_iterates_until_it_is_closed(memx: Any, prefix: str) -> None:
    seen: list[Any] = []
    with memx.watch(f"{prefix}*") as changes:
        for number in range(3):
            memx.set(f"{prefix}{number}", number)
        for event in changes:
            seen.append(event.value)
            if len(seen) == 3:
                changes.close()
    assert seen == [0, 1, 2]
    with pytest.raises(MemxError) as caught:
        changes.receive()
    assert caught.value.code == "closed"


def test_begins_with_a_snapshot(memx: Any, prefix: str) -> None:
    memx.set(f"{prefix}a", 1)
    memx.set(f"{prefix}b", 2)
    memx.set(f"{prefix}gone", 3)
    memx.delete(f"{prefix}gone")
    with memx.watch(f"{prefix}*", snapshot=True) as changes:
        memx.set(f"{prefix}a", 4)
        assert values(changes, 3) == [1, 2, 4]


def test_begins_after_a_revision(memx: Any, prefix: str) -> None:
    first = memx.set(prefix, 1)
    memx.set(prefix, 2)
    memx.set(prefix, 3)
    with memx.subscribe(prefix, since=first.revision) as changes:
        memx.set(prefix, 4)
        assert values(changes, 3) == [2, 3, 4]


def test_delivers_changes_of_schemas(memx: Any, prefix: str) -> None:
    with memx.subscribe(prefix, event="schema") as schemas, memx.subscribe(prefix, event="all") as everything:
        memx.set_schema(prefix, {"type": "number"})
        memx.set(prefix, 1)
        memx.delete_schema(prefix)
        assert [(event.action, event.schema) for event in (schemas.receive(30), schemas.receive(30))] == [
            ("set", {"type": "number"}),
            ("delete", None),
        ]
        assert [event.event for event in (everything.receive(30) for _ in range(3))] == ["schema", "value", "schema"]


@pytest.mark.parametrize("name", ["a b/?#%", "..", "é🎈", "*[x]?", "+&="])
def test_takes_every_key(memx: Any, prefix: str, name: str) -> None:
    with memx.subscribe([prefix + name, name]) as changes:
        memx.set(f"{prefix}x", 0)
        memx.set(prefix + name, 1)
        assert changes.receive(30).key == prefix + name


def test_callbacks_get_each_event_on_one_thread(create: Create, prefix: str) -> None:
    memx = create()
    seen: list[tuple[str, Any]] = []
    threads: set[str] = set()
    done = threading.Semaphore(0)

    def note(event: Any) -> None:
        seen.append((event.key, event.value))
        threads.add(threading.current_thread().name)
        done.release()

    one = memx.subscribe(f"{prefix}a", note)
    two = memx.watch(f"{prefix}*", note)
    one.wait_ready(60)
    two.wait_ready(60)
    for number in range(150):
        memx.set(f"{prefix}a", number)
    for _ in range(300):
        assert done.acquire(timeout=60)
    assert sorted(seen) == sorted((f"{prefix}a", number) for number in range(150) for _ in range(2))
    assert len(threads) == 1
    with pytest.raises(TypeError):
        one.receive()


@pytest.mark.parametrize("failing", ["callback", "on_status", "on_reset"])
def test_an_exception_of_a_callback_ends_its_subscription_only(
    create: Create, prefix: str, failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    memx = create()

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("mine")

    if failing == "on_reset":
        # A revision of which memX's log knows nothing.
        broken = memx.subscribe(prefix, lambda _: None, since=1, on_reset=fail)
    elif failing == "on_status":
        broken = memx.subscribe(prefix, on_status=fail)
    else:
        broken = memx.subscribe(prefix, fail)
        broken.wait_ready(60)
    with memx.subscribe(prefix) as changes:
        memx.set(prefix, 1)
        assert changes.receive(30).value == 1
        with pytest.raises(ZeroDivisionError):
            broken.wait_closed(60)
        assert isinstance(broken.error, ZeroDivisionError)
        assert broken.status == "closed"
        memx.set(prefix, 2)
        assert changes.receive(30).value == 2
    assert any("raised an exception" in record.message for record in caplog.records)


def test_a_callback_may_close_the_client(url: str, prefix: str) -> None:
    memx = MemX("local_dev_key", url)
    subscription = memx.subscribe(prefix, lambda _: memx.close())
    subscription.wait_ready(60)
    memx.set(prefix, 1)
    subscription.wait_closed(60)


def test_refuses_what_memx_would_refuse(memx: Any) -> None:
    for keys in ("", "a\n", "x" * 513, "é" * 257, [], ["a", ""], "\ud800"):
        with pytest.raises(InvalidRequestError):
            memx.subscribe(keys)
        with pytest.raises(InvalidRequestError):
            memx.watch(keys)
    for options in ({"event": "values"}, {"since": -1}, {"since": 1.5}, {"buffer": 0}, {"since": 5, "snapshot": True}):
        with pytest.raises(InvalidRequestError):
            memx.subscribe("a", **options)


def test_says_that_the_api_key_may_not_read(create: Create) -> None:
    reader = create("reader")
    with pytest.raises(ForbiddenError), reader.subscribe("secret"):
        pass
    with pytest.raises(ForbiddenError), reader.subscribe(["public:a", "secret"]):
        pass
    with reader.subscribe(["public:a", "public:b"]) as allowed:
        assert allowed.status == "live"
    unknown = create("unknown").watch("*")
    with pytest.raises(UnauthorizedError):
        unknown.wait_ready(60)
    with pytest.raises(UnauthorizedError):
        unknown.receive(60)
    with pytest.raises(UnauthorizedError):
        unknown.wait_closed(60)


def test_subscribing_to_many_keys_takes_one_request(create: Create, proxy: Proxy, prefix: str) -> None:
    memx = create(base_url=proxy.url)
    keys = [f"{prefix}{number}" for number in range(100)]
    with memx.subscribe(keys) as changes:
        # One connection for the right to read, one for the socket.
        assert proxy.accepted == 2
        memx.set(keys[99], 1)
        assert changes.receive(30).key == keys[99]


def test_resumes_after_a_cut(create: Create, proxy: Proxy, url: str, prefix: str) -> None:
    memx = create(base_url=proxy.url)
    writer = MemX("local_dev_key", url)
    statuses = Statuses()
    with memx.watch(f"{prefix}*", on_status=statuses) as changes:
        for number in range(60):
            writer.set(f"{prefix}{number % 3}", number)
            if number % 10 == 5:
                proxy.cut()
        assert values(changes, 60) == list(range(60))
    writer.close()
    statuses.wait_for(lambda status, error: status == "connecting" and isinstance(error, NetworkError))


def test_notices_a_dead_connection(create: Create, proxy: Proxy, url: str, prefix: str) -> None:
    memx = create(base_url=proxy.url, ping_interval=0.2, ping_timeout=1.0)
    writer = MemX("local_dev_key", url)
    statuses = Statuses()
    with memx.subscribe(prefix, on_status=statuses) as changes:
        time.sleep(1.5)  # Pings keep it alive.
        assert changes.status == "live"
        proxy.swallow()
        writer.set(prefix, 1)
        statuses.wait_for(lambda status, error: status == "connecting" and error is not None)
        proxy.cut()
        proxy.flow()
        assert changes.receive(60).value == 1
    writer.close()


def test_tells_a_slow_consumer_everything(create: Create, prefix: str) -> None:
    memx = create()
    statuses = Statuses()
    with memx.subscribe(prefix, buffer=3, on_status=statuses) as changes:
        for number in range(20):
            memx.set(prefix, number)
        statuses.wait_for(lambda status, _: status == "behind")
        assert values(changes, 20) == list(range(20))


def test_resets_when_memx_no_longer_knows_what_was_missed(create: Create, proxy: Proxy, url: str, prefix: str) -> None:
    memx = create(base_url=proxy.url)
    writer = MemX("local_dev_key", url)
    order: list[Any] = []
    with memx.watch(f"{prefix}*", on_reset=lambda _: order.append("reset")) as changes:
        writer.set(f"{prefix}a", 1)
        order.append(changes.receive(30).value)
        proxy.refuse()
        proxy.cut()
        writer.delete(f"{prefix}a")
        for number in range(11):
            writer.batch([Set(f"{prefix}b", 100 * number + each) for each in range(100)])
        proxy.accept()
        order.append(changes.receive(60).value)
    assert order == [1, "reset", 1_099]
    writer.close()


def test_reports_why_it_is_not_live(create: Create, caplog: pytest.LogCaptureFixture) -> None:
    statuses = Statuses()
    memx = create(base_url="http://127.0.0.1:9")
    subscription = memx.subscribe("a", on_status=statuses)
    statuses.wait_for(lambda status, error: status == "connecting" and isinstance(error, NetworkError))
    with pytest.raises(TimeoutError) as caught:
        subscription.wait_ready(0.1)
    assert "reach" in str(caught.value) or "opened" in str(caught.value)
    assert isinstance(subscription.last_error, NetworkError)
    with pytest.raises(TimeoutError):
        subscription.wait_closed(0.1)
    assert [record.levelno for record in caplog.records if record.name == "memx_sdk"] == [logging.WARNING]
    subscription.close()
    with pytest.raises(MemxError) as closed:
        subscription.wait_ready()
    assert closed.value.code == "closed"
    subscription.wait_closed()


@contextmanager
def web_server(status: int, location: str | None = None) -> Iterator[str]:
    """A server that is no memX, and answers every request with a page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            if location:
                self.send_header("location", location)
            self.send_header("content-length", "6")
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("status", [200, 302, 404, 503])
def test_a_server_that_is_no_memx_is_reported(create: Create, url: str, status: int) -> None:
    # A redirect is not followed, because the API key must not go elsewhere.
    with web_server(status, f"{url}/watch" if status == 302 else None) as page:
        statuses = Statuses()
        subscription = create(base_url=page).watch("*", on_status=statuses)
        statuses.wait_for(lambda status, error: status == "connecting" and error is not None)
        assert subscription.status == "connecting"
        error = subscription.last_error
        if status == 302:
            assert "redirects" in str(error)
        else:
            assert error.status == status
        subscription.close()


def test_a_socket_that_is_no_memx_is_reported(create: Create) -> None:
    def talk(socket: Any) -> None:
        socket.send("<html>")
        socket.send(b"\xff")

    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        statuses = Statuses()
        memx = create(base_url=f"http://127.0.0.1:{server.socket.getsockname()[1]}")
        subscription = memx.watch("*", on_status=statuses)
        statuses.wait_for(lambda status, error: status == "connecting" and error is not None)
        subscription.close()
        memx.close()
        server.shutdown()
        thread.join()


def test_close_ends_subscriptions_and_those_that_come_later(memx: Any, prefix: str) -> None:
    open_one = memx.subscribe(prefix)
    open_one.wait_ready(60)
    memx.close()
    assert open_one.status == "closed"
    open_one.wait_closed(10)
    late = memx.subscribe(prefix)
    assert late.status == "closed"
    with pytest.raises(MemxError):
        late.wait_ready()


def test_several_threads_may_read_one_subscription(url: str, prefix: str) -> None:
    seen: list[Any] = []
    with MemX("local_dev_key", url) as memx, memx.subscribe(prefix) as changes:

        def read() -> None:
            seen.extend(event.value for event in changes)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(30):
            memx.set(prefix, number)
        while len(seen) < 30:
            time.sleep(0.01)
        changes.close()
        for thread in threads:
            thread.join(30)
    assert sorted(seen) == list(range(30))


def test_a_defect_ends_every_subscription_with_its_error(
    create: Create, prefix: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    memx = create()
    with memx.subscribe(prefix) as changes:

        def broken(*_: Any) -> None:
            raise ZeroDivisionError("a defect")

        monkeypatch.setattr("memx_sdk._feed.Feed._deliver", broken)
        memx.set(prefix, 1)
        with pytest.raises(ZeroDivisionError):
            changes.receive(60)
    assert "defect" in caplog.text


async def test_several_pending_reads_all_settle(url: str, prefix: str) -> None:
    async with AsyncMemX("local_dev_key", url) as memx:
        async with memx.subscribe(prefix) as changes:
            reads = [asyncio.create_task(changes.receive()) for _ in range(3)]
            await memx.set(prefix, 1)
            done, pending = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED, timeout=60)
            assert [task.result().value for task in done] == [1]
        results = await asyncio.gather(*pending, return_exceptions=True)
        assert [type(result) for result in results] == [MemxError, MemxError]


async def test_coroutines_are_callbacks_too(url: str, prefix: str) -> None:
    seen: asyncio.Queue[Any] = asyncio.Queue()

    async def note(event: Any) -> None:
        await asyncio.sleep(0)
        await seen.put(event.value)

    async with AsyncMemX("local_dev_key", url) as memx:
        subscription = memx.subscribe(prefix, note)
        await subscription.wait_ready(60)
        for number in range(5):
            await memx.set(prefix, number)
        assert [await asyncio.wait_for(seen.get(), 60) for _ in range(5)] == list(range(5))
