"""The option `reads`, and what a client knows to have seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from memx_sdk import InvalidRequestError, MaxAge, MemX, MemxError
from memx_sdk import _calls as calls_of
from memx_sdk._calls import Call
from memx_sdk._reads import Reads, read_revision

Create = Callable[..., Any]


@pytest.fixture(params=["http", "socket"])
def calls(request: pytest.FixtureRequest) -> str:
    return request.param


def sent(call: Call[Any]) -> tuple[str, str | None]:
    return call.target, None if call.body is None else str(call.body)


def test_asks_for_what_the_option_says() -> None:
    get, read, keys = calls_of.get("a"), calls_of.get_many(["a"]), calls_of.keys(None, False, 10, None)
    session = Reads("session")
    assert session.freshen(get) is get
    session.note(7)
    session.note(5)
    assert session.revision == 7
    assert sent(session.freshen(get)) == ("/get?key=a&min_revision=7", None)
    assert sent(session.freshen(read)) == ("/read", '{"keys":["a"],"min_revision":7}')
    assert sent(session.freshen(keys)) == ("/keys?limit=10&min_revision=7", None)
    assert sent(Reads(MaxAge(2)).freshen(get)) == ("/get?key=a&max_age=2", None)
    assert sent(Reads(MaxAge(0.5)).freshen(read)) == ("/read", '{"keys":["a"],"max_age":0.5}')
    strong = Reads("strong")
    strong.note(7)
    for call in (get, read, keys, calls_of.set("a", 1), calls_of.get_schema("a")):
        assert strong.freshen(call) is call
    assert session.freshen(calls_of.get_schema("a")).target == "/schema?key=a"


def test_reads_only_a_revision() -> None:
    assert read_revision("1795433550655001") == 1795433550655001
    for header in (None, "", "x", "-1", "1.5", "12345678901234567", "\u0661"):
        assert read_revision(header) is None


def test_knows_what_it_has_written_read_and_been_told(create: Create, prefix: str) -> None:
    memx, other = create(reads="session"), create()
    assert memx.revision == 0
    written = memx.set(f"{prefix}a", 1)
    assert memx.revision >= written.revision
    later = other.set(f"{prefix}b", 2)
    assert memx.get(f"{prefix}b").value == 2
    assert memx.revision >= later.revision
    # Of a key that holds nothing, too.
    deleted = other.delete(f"{prefix}b")
    assert memx.get(f"{prefix}b") is None
    assert memx.revision >= deleted.revision
    latest = other.set(f"{prefix}a", 3)
    memx.seen(latest.revision)
    assert memx.revision == latest.revision
    assert memx.get_many([f"{prefix}a"]).entries[0].value == 3
    assert [entry.key for entry in memx.keys(f"{prefix}")] == [f"{prefix}a"]


def test_knows_what_its_subscriptions_receive(create: Create, prefix: str) -> None:
    memx, other = create(), create()
    with memx.subscribe(f"{prefix}a", snapshot=True) as changes:
        written = other.set(f"{prefix}a", 1)
        for change in changes:
            if change.revision >= written.revision:
                break
    assert memx.revision >= written.revision


def test_says_once_that_the_memory_has_lost_what_it_has_seen(create: Create, prefix: str) -> None:
    memx = create(reads="session")
    memx.seen(2**53 - 1)
    with pytest.raises(InvalidRequestError) as caught:
        memx.get(f"{prefix}a")
    assert (caught.value.code, caught.value.status) == ("revision_ahead", 412)
    assert memx.revision < 2**53 - 1
    assert memx.get(f"{prefix}a") is None


def test_reads_of_an_age(create: Create, prefix: str) -> None:
    memx = create(reads=MaxAge(2))
    memx.set(f"{prefix}a", 1)
    assert memx.get(f"{prefix}a").value == 1
    assert memx.get_many([f"{prefix}a"]).entries[0].value == 1


@pytest.mark.parametrize("reads", ["weak", None, 2, MaxAge(-1), MaxAge(float("nan")), MaxAge("2")])  # pyright: ignore[reportArgumentType]
def test_refuses_another_option(reads: Any) -> None:
    with pytest.raises(ValueError, match="reads must be"):
        MemX("k", reads=reads)


@pytest.mark.parametrize("revision", [-1, 1.5, "7", True, 2**53])
def test_refuses_to_have_seen_what_is_no_revision(revision: Any) -> None:
    with MemX("k") as memx, pytest.raises(InvalidRequestError):
        memx.seen(revision)


def test_an_error_of_another_kind_leaves_what_was_seen() -> None:
    reads = Reads("session")
    reads.note(9)
    reads.failed(MemxError("conflict", "The key has changed."), 5)
    reads.failed(MemxError("store_unavailable", "Try again."), None)
    assert reads.revision == 9


def test_sends_the_revision_by_http() -> None:
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(200, text="null", headers={"memx-revision": "12"})

    with httpx.Client(transport=httpx.MockTransport(respond)) as client:
        memx = MemX("k", reads="session", http_client=client)
        memx.get("a")
        memx.get("a")
        memx.close()
    assert asked == ["/get?key=a", "/get?key=a&min_revision=12"]
