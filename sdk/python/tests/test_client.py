"""The calls of both clients against a running memX, on both engines."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from memx_sdk import (
    Check,
    ConflictError,
    Delete,
    ForbiddenError,
    InvalidRequestError,
    InvalidSchemaError,
    MemX,
    MemxError,
    NetworkError,
    NotFoundError,
    SchemaViolationError,
    Set,
    StoredSchema,
    TimeoutError,
    UnauthorizedError,
)

from .support.proxy import Proxy

Create = Callable[..., Any]


@pytest.fixture(params=["http", "socket"])
def calls(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def url(each_url: str) -> str:
    return each_url


def test_writes_and_reads(memx: Any, prefix: str) -> None:
    key = f"{prefix}goal"
    assert memx.get(key) is None
    first = memx.set(key, {"x": 1, "big": 9007199254740993})
    assert first.updated
    entry = memx.get(key)
    assert (entry.value, entry.ts, entry.revision) == ({"x": 1, "big": 9007199254740993}, first.ts, first.revision)
    assert memx.set(key, 0, ts=1).updated is False
    assert memx.delete(key).deleted is True
    assert memx.delete(key).deleted is False
    assert memx.get(key) is None
    memx.set(key, None)
    assert memx.get(key).value is None


@pytest.mark.parametrize("name", ["a b/?#%", "..", ".", "é🎈\"\\'", "*[x]?", "~-_", "+&=", "\u00a0"])
def test_takes_every_key(memx: Any, prefix: str, name: str) -> None:
    for key in (prefix + name, name + prefix):
        memx.set(key, name)
        assert memx.get(key).value == name
        assert [change.key for change in memx.history(key)] == [key]
        memx.set_schema(key, {"type": "string"})
        assert memx.get_schema(key).key == key
        assert memx.delete(key).deleted


def test_keeps_numbers(create: Create, prefix: str) -> None:
    exact = create(parse_float=Decimal)
    value = [10**300, -(2**63), Decimal("0.1000000000000000055"), Decimal("1E+2"), Decimal("-0.0")]
    exact.set(prefix, value)
    assert [str(number) for number in exact.get(prefix).value] == [str(number) for number in value]
    assert isinstance(exact.get(prefix).ts, float)
    assert create().get(prefix).value == [10**300, -(2**63), 0.1, 100.0, 0.0]
    exact.set(prefix, 0)
    assert exact.increment(prefix, Decimal("0.1")).value == Decimal("0.1")


def test_changes_parts_of_a_value(memx: Any, prefix: str) -> None:
    assert memx.merge(prefix, {"a": 1, "b": {"c": 2}}).value == {"a": 1, "b": {"c": 2}}
    assert memx.merge(prefix, {"a": None}).value == {"b": {"c": 2}}
    assert memx.increment(prefix, 3, path="/b/c").value == {"b": {"c": 5}}
    patched = memx.patch(prefix, [{"op": "add", "path": "/d", "value": [1]}, {"op": "remove", "path": "/b"}])
    assert patched.value == {"d": [1]}
    assert memx.append(prefix, [2, 3], path="/d", limit=2).value == {"d": [2, 3]}
    assert memx.increment(f"{prefix}n").value == 1
    assert memx.append(f"{prefix}l", (1, 2)).value == [1, 2]
    assert patched.updated
    with pytest.raises(ConflictError) as caught:
        memx.patch(prefix, [{"op": "test", "path": "/d", "value": 0}])
    assert caught.value.knows_current is False
    with pytest.raises(ConflictError):
        memx.increment(prefix, path="/d")


def test_a_conflict_shows_the_current_value(memx: Any, prefix: str, calls: str) -> None:
    written = memx.set(prefix, {"x": 1})
    with pytest.raises(ConflictError) as caught:
        memx.set(prefix, 2, expect=0)
    error = caught.value
    assert (error.code, error.status, error.key) == ("conflict", 409, prefix)
    assert error.knows_current
    current: Any = error.current_entry
    assert (current.value, current.revision) == ({"x": 1}, written.revision)
    # Only HTTP has a header for it.
    assert (error.request_id is not None) == (calls == "http")
    # Old code catches the errors of the HTTP library.
    assert isinstance(error, httpx.HTTPStatusError)
    assert error.response.status_code == 409
    assert error.response.json()["code"] == "conflict"
    assert error.request.url.path == "/set"
    with pytest.raises(ConflictError) as caught:
        memx.delete(f"{prefix}none", expect=5)
    assert (caught.value.current, caught.value.knows_current) == (None, True)
    memx.set(prefix, 3, expect=written.revision)


def test_a_batch_is_all_or_nothing(memx: Any, prefix: str) -> None:
    one = memx.set(f"{prefix}1", 1)
    results = memx.batch(
        [Check(f"{prefix}1", one.revision), Set(f"{prefix}2", 2, expect=0), Delete(f"{prefix}1")]
    ).results
    assert results[0].revision == one.revision
    assert (results[1].updated, results[2].deleted) == (True, True)
    assert results[2].revision == results[1].revision + 1
    with pytest.raises(ConflictError) as caught:
        memx.batch([Set(f"{prefix}3", 3), Check(f"{prefix}2", 1)])
    assert caught.value.errors[0].path == "/operations/1/expect"
    assert memx.get(f"{prefix}3") is None


def test_lists_keys_and_history_page_by_page(memx: Any, prefix: str) -> None:
    names = [f"{prefix}{number}" for number in range(7)]
    for number, name in enumerate(names):
        memx.set(name, number)
    assert [(entry.key, entry.value) for entry in memx.keys(prefix, values=True, page_size=3)] == list(
        zip(names, range(7), strict=True)
    )
    assert [entry.value for entry in memx.keys(prefix)] == [None] * 7
    for number in range(5):
        memx.set(prefix, number)
    memx.delete(prefix)
    changes = list(memx.history(prefix, page_size=2))
    assert [change.action for change in changes] == ["delete", *["set"] * 5]
    assert [change.value for change in changes] == [None, 4, 3, 2, 1, 0]
    earlier = list(memx.history(prefix, before=changes[2].revision))
    assert earlier == changes[3:]


def test_schemas_are_checked_by_memx(memx: Any, prefix: str) -> None:
    assert memx.get_schema(prefix) is None
    written = memx.set_schema(prefix, {"type": "object", "properties": {"x": {"type": "number"}}}, expect=0)
    stored = memx.get_schema(prefix)
    assert (stored.key, stored.revision) == (prefix, written.revision)
    with pytest.raises(SchemaViolationError) as caught:
        memx.set(prefix, {"x": "1"})
    assert caught.value.errors[0].path == "/x"
    with pytest.raises(InvalidSchemaError):
        memx.set_schema(prefix, {"type": "nothing"})
    with pytest.raises(ConflictError) as conflict:
        memx.set_schema(prefix, True, expect=1)
    assert isinstance(conflict.value.current, StoredSchema)
    assert conflict.value.current.revision == written.revision
    assert conflict.value.current_entry is None
    memx.delete_schema(prefix)
    with pytest.raises(NotFoundError):
        memx.delete_schema(prefix)


def test_a_repeat_with_the_same_idempotency_key_changes_nothing(memx: Any, prefix: str) -> None:
    first = memx.increment(prefix, idempotency_key=f"{prefix}once")
    assert memx.increment(prefix, idempotency_key=f"{prefix}once").revision == first.revision
    assert memx.get(prefix).value == 1


def test_update_starts_again_with_the_value_of_the_other_writer(create: Create, url: str, prefix: str) -> None:
    mine = create()
    other = MemX("local_dev_key", url)
    seen: list[Any] = []

    def change(value: Any) -> Any:
        seen.append(value)
        if len(seen) < 3:
            other.set(prefix, {"n": len(seen)})
        return {"n": (value["n"] if value else 0) + 10}

    entry = mine.update(prefix, change)
    assert seen == [None, {"n": 1}, {"n": 2}]
    assert entry.value == {"n": 12}
    assert mine.get(prefix).revision == entry.revision
    assert mine.update(prefix, lambda _: None).revision == entry.revision
    assert mine.update(f"{prefix}none", lambda _: None) is None
    with pytest.raises(ConflictError):
        mine.update(prefix, lambda value: value, expect=1)
    with pytest.raises(InvalidRequestError):
        mine.update(prefix, lambda _: float("nan"))
    other.close()


def test_update_keeps_the_time_that_is_left(memx: Any, prefix: str) -> None:
    memx.set(prefix, 1, ttl=1)
    memx.update(prefix, lambda value: value + 1)
    assert memx.get(prefix).value == 2
    while memx.get(prefix) is not None:
        time.sleep(0.05)


def test_reads_who_memx_is(memx: Any) -> None:
    health = memx.health()
    assert (health.status, health.store in ("embedded", "redis")) == ("ok", True)
    assert health.version
    me = memx.whoami()
    assert (me.engine, me.version) == (health.store, health.version)
    assert (me.scopes.read, me.scopes.write) == (("*",), ("*",))
    assert me.limits["key"] == 512


def test_keeps_what_is_left_of_a_ttl_and_who_wrote(create: Create, prefix: str) -> None:
    memx = create(agent="planner 7")
    first = memx.set(prefix, 1, ttl=600)
    memx.set(prefix, 2, ttl="keep")
    entry = memx.get(prefix)
    assert first.ts + 599 < entry.expires < first.ts + 601
    assert (entry.by, entry.created) == ("planner 7", first.ts)
    (listed,) = memx.keys(prefix, values=True)
    assert (listed.expires, listed.created, listed.by) == (entry.expires, entry.created, entry.by)
    with create().subscribe(prefix, snapshot=True) as changes:
        event = changes.receive(60)
        assert (event.expires, event.by) == (entry.expires, "planner 7")


def test_reads_many_keys_at_one_moment(memx: Any, prefix: str) -> None:
    memx.set(f"{prefix}a", 1)
    written = memx.set(f"{prefix}b", 2)
    read = memx.get_many([f"{prefix}b", f"{prefix}none", f"{prefix}a"])
    assert [entry and entry.value for entry in read.entries] == [2, None, 1]
    assert read.revision >= written.revision


def test_says_what_the_api_key_may_not_do(create: Create, prefix: str) -> None:
    with pytest.raises(UnauthorizedError):
        create("unknown").get(prefix)
    with pytest.raises(UnauthorizedError) as caught:
        create(None).get(prefix)
    assert caught.value.code == "missing_api_key"
    with pytest.raises(ForbiddenError):
        create("reader").set("public:a", 1)
    with pytest.raises(ForbiddenError):
        create("reader").get_many(["public:a", "secret"])
    assert create(None).health().status == "ok"


# Failures.


def test_sends_a_write_again_whose_response_was_lost(create: Create, proxy: Proxy, prefix: str) -> None:
    memx = create(base_url=proxy.url, timeout=0.5, retries=50)
    memx.increment(prefix)
    proxy.swallow()
    done = threading.Event()

    def restore() -> None:
        time.sleep(1.2)
        proxy.cut()
        proxy.flow()
        done.set()

    threading.Thread(target=restore).start()
    # The first attempts reach memX or do not. The write is applied once.
    assert memx.increment(prefix).value == 2
    assert done.wait(10)
    assert memx.get(prefix).value == 2


def test_gives_up_after_the_timeout(create: Create, proxy: Proxy, prefix: str) -> None:
    memx = create(base_url=proxy.url, retries=0, timeout=5)
    memx.get(prefix)
    proxy.swallow()
    with pytest.raises(TimeoutError) as caught:
        memx.get(prefix, timeout=0.2)
    assert isinstance(caught.value, httpx.TimeoutException)
    assert "0.2 s" in str(caught.value)


def test_reports_that_nothing_listens(create: Create) -> None:
    with pytest.raises(NetworkError) as caught:
        create(base_url="http://127.0.0.1:9", retries=1).get("a")
    assert isinstance(caught.value, httpx.ConnectError)
    assert caught.value.request.url.port == 9


@contextlib.contextmanager
def trickle(url: str) -> Iterator[Any]:
    """An HTTP client whose responses never end, although something arrives all the time."""

    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                time.sleep(0.05)
                yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Body()))
    with httpx.Client(transport=transport) as client, MemX("k", url, http_client=client, retries=0) as memx:
        yield memx


def test_a_body_that_trickles_in_does_not_outlast_the_timeout(url: str) -> None:
    with trickle(url) as memx, pytest.raises(TimeoutError):
        memx.get("a", timeout=0.3)


def test_close_ends_the_pause_of_a_retry(url: str) -> None:
    memx = MemX("k", "http://127.0.0.1:9", retries=1_000)
    errors: list[MemxError] = []

    def call() -> None:
        try:
            memx.get("a")
        except MemxError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.2)
    memx.close()
    thread.join(20)
    assert not thread.is_alive()
    assert len(errors) == 1
