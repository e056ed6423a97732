"""Calls over sockets: the frames and bounds, and what a broken socket, a renewal, and a stopped memX mean."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from memx_sdk import InvalidRequestError, MemX, NetworkError, TimeoutError, UnauthorizedError
from memx_sdk import _calls as calls
from memx_sdk._call_message import Reply, message_of, split_frame
from memx_sdk._call_socket import AnswerSizes, CallSocket, CallSockets, StrangeFrame
from memx_sdk._options import Options, read_options

from .support.proxy import Proxy
from .support.server import Server

Create = Callable[..., Any]
SAMPLES = json.loads((Path(__file__).parents[2] / "samples.json").read_text("utf-8"))


def options(**changed: Any) -> Options:
    names: dict[str, Any] = {"timeout": 10, "retries": 3, "agent": None, "parse_float": None}
    return read_options("key", "http://memx", **{**names, "ping_interval": 25, "ping_timeout": 10, **changed})


def opened(**changed: Any) -> CallSocket:
    socket = CallSocket(options(**changed), AnswerSizes(), 0)
    socket.ping(0)
    assert socket.take_frames() == ["ping"]
    assert socket.frame("pong", 0) == []
    return socket


def write(key: str) -> Any:
    return message_of(calls.set(key, 1), options())


def get(key: str) -> Any:
    return message_of(calls.get(key), options())


@pytest.mark.parametrize("sample", SAMPLES["answers"], ids=lambda sample: sample["text"])
def test_reads_the_answer(sample: Any) -> None:
    socket = opened()
    places = [socket.reserve(get("a"), n) for n in range(1, 8)]
    assert all(places)
    # The ids of the samples are other ones.
    text = sample["text"].replace(f'"id":{sample["id"]}', '"id":3')
    retry = sample.get("retry")
    retry = None if retry is None else str(retry)
    reply = Reply(sample["status"], sample["body"], retry, sample.get("revision"))
    assert socket.frame(text, 0) == [(3, reply)]


def test_splits_frames_as_the_samples_say() -> None:
    for sample in SAMPLES["frames"]:
        assert split_frame(sample["frame"]) == sample["texts"]


@pytest.mark.parametrize(
    ("call", "rest"),
    [
        (calls.get("a b"), ',"call":"get","body":{"key":"a b"}}'),
        (
            calls.set("a", 1.0, idempotency_key="k"),
            ',"call":"set","idempotency":"k","agent":"planner","body":{"key":"a","value":1.0}}',
        ),
        (
            calls.delete_schema("a~é", expect=42, idempotency_key="k"),
            ',"call":"schema_delete","idempotency":"k","agent":"planner","body":{"key":"a~\\u00e9","expect":"42"}}',
        ),
        (calls.get_many(["a"]), ',"call":"read","body":{"keys":["a"]}}'),
        (calls.whoami(), None),
        (calls.health(), None),
        (calls.changes(["*"], "all", 1), None),
        (calls.set("a", "x" * 1024 * 1024), None),
    ],
)
def test_writes_a_call_as_a_message(call: Any, rest: str | None) -> None:
    message = message_of(call, options(agent="planner"))
    assert (message and message.rest) == rest


def test_joins_calls_into_frames_of_a_bounded_size() -> None:
    socket = opened()
    large = message_of(calls.set("a", "x" * 600_000), options())
    assert large is not None
    for message in (large, large, get("b"), get("c")):
        assert socket.reserve(message, object()) is not None
    first, second = socket.take_frames()
    assert split_frame(first)[0].startswith('{"id":1,')
    assert [json.loads(text)["id"] for text in split_frame(second)] == [2, 3, 4]
    assert socket.take_frames() == []


def test_has_room_for_a_thousand_calls_and_the_others_wait_in_order() -> None:
    sockets = CallSockets(options())
    socket = sockets.current = opened()
    assert all(sockets.reserve(write("a"), object()) for _ in range(1000))
    assert sockets.reserve(write("a"), object()) is None
    for name in ("first", "second"):
        sockets.waiting.append((write("a"), (name, object())))
    assert sockets.next_waiting() is None
    socket.take_frames()
    socket.frame('{"id":5,"status":200,"body":{"ok":true}}', 0)
    found = sockets.next_waiting()
    assert found is not None
    assert found[0] == "first"
    assert sockets.next_waiting() is None
    # Without a socket, the others look for another way.
    sockets.left(socket)
    assert sockets.next_waiting() == ("second", None)


def test_asks_for_few_values_before_it_knows_how_large_they_are() -> None:
    sockets = CallSockets(options())
    sockets.current = opened()
    # At most 256 KiB each, and memX closes a socket with 8 Mi unread.
    assert 10 < sum(sockets.reserve(get("a"), object()) is not None for _ in range(100)) < 20


def test_a_caller_that_gave_up_keeps_the_place_until_the_answer() -> None:
    socket = opened()
    place = socket.reserve(get("a"), "waiter")
    assert place is not None
    socket.take_frames()
    socket.abandon(place, 1)
    assert socket.frame('{"id":1,"status":200,"body":null}', 1) == []
    with pytest.raises(StrangeFrame):
        socket.frame('{"id":1,"status":200,"body":null}', 1)


def test_a_call_that_timed_out_in_silence_retires_its_socket() -> None:
    socket = opened()
    place = socket.reserve(get("a"), "waiter")
    assert place is not None
    socket.take_frames()
    socket.abandon(place, 10, timed_out=True)
    assert (socket.state, socket.is_done) == ("retired", True)


def test_pings_when_it_is_time_and_ends_in_silence() -> None:
    socket = opened()
    assert socket.reserve(get("a"), "waiter") is not None
    socket.take_frames()
    assert socket.tick(24) is None
    assert socket.take_frames() == []
    assert socket.tick(25) is None
    assert socket.take_frames() == ["ping"]
    assert socket.tick(34) is None
    dead = socket.tick(35)
    assert dead is not None
    assert dead.timed_out


def test_pings_after_it_has_read_much() -> None:
    socket = opened()
    assert socket.reserve(get("a"), "waiter") is not None
    socket.take_frames()
    socket.frame(f'{{"id":1,"status":200,"body":"{"x" * 300_000}"}}', 1)
    assert socket.take_frames() == ["ping"]


def test_retires_when_it_is_idle_or_memx_asks_for_the_next() -> None:
    socket = opened()
    assert socket.tick(1.9) is None
    assert socket.state == "ready"
    socket.tick(2)
    assert socket.state == "retired"
    socket = opened()
    assert socket.reserve(get("a"), "waiter") is not None
    socket.frame('{"event":"renew"}', 0)
    assert (socket.state, socket.is_done) == ("retired", False)
    assert socket.frame('{"id":1,"status":200,"body":null}', 0) == [("waiter", Reply(200, "null"))]
    assert socket.is_done


@pytest.mark.parametrize("text", ["hello", '{"id":9,"status":200,"body":1}', '{"id":1,"status":200,"body":1'])
def test_ends_for_a_frame_that_memx_would_not_send(text: str) -> None:
    socket = opened()
    assert socket.reserve(get("a"), "waiter") is not None
    with pytest.raises(StrangeFrame):
        socket.frame(text, 0)


def test_auto_opens_a_socket_while_several_calls_are_in_flight_and_less_often_where_it_fails() -> None:
    sockets = CallSockets(options())
    sockets.in_flight = 3
    assert not sockets.wants_socket(0)
    sockets.in_flight = 4
    assert sockets.wants_socket(0)
    failed = CallSocket(options(), sockets.sizes, 0)
    waits: list[float] = []
    for _ in range(12):
        sockets.failed(failed, 0)
        waits.append(next(n / 4 for n in range(1, 1300) if sockets.wants_socket(n / 4)))
    assert waits[0] <= 1
    assert 150 <= waits[-1] <= 300


def test_refuses_another_transport() -> None:
    with pytest.raises(ValueError, match='must be "auto", "socket", or "http"'):
        MemX("key", calls="tcp")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", ["socket", "auto"])
def test_increments_of_eight_writers_are_applied_once_through_kills(create: Create, server: Server, kind: str) -> None:
    server.start()
    memx = create(base_url=server.url, calls=kind, retries=1000)
    stop = threading.Event()

    def write(writer: int) -> int:
        sent = 0
        while not stop.is_set():
            memx.increment(f"w{writer}")
            sent += 1
        return sent

    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, n) for n in range(8)]
        for _ in range(2):
            before = memx.get("w0")
            deadline = time.monotonic() + 240
            while (now := memx.get("w0")) is None or now.value < (before.value if before else 0) + 10:
                assert time.monotonic() < deadline
            server.kill()
            server.start()
        stop.set()
        sent = [writer.result() for writer in writers]
    assert [memx.get(f"w{n}").value for n in range(8)] == sent


def test_goes_on_over_the_next_socket_whenever_memx_asks(create: Create, tmp_path: Path) -> None:
    server = Server(tmp_path, {"SUBREQUEST_LIMIT": "20"}).start()
    try:
        memx = create(base_url=server.url, calls="socket", retries=1000)
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda _: memx.increment("n"), range(400)):
                pass
        assert memx.get("n").value == 400
    finally:
        server.stop()


def test_auto_goes_by_http_where_no_socket_opens(create: Create) -> None:
    memx = create(calls="auto")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("_sync_calls.open_call_socket", "_async_calls.open_async_call_socket"):
            patch.setattr(f"memx_sdk.{module}", _refuse)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: memx.set(f"auto-{n}", n), range(100)))
    assert memx.get("auto-99").value == 99
    only = create(calls="socket", retries=0)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("_sync_calls.open_call_socket", "_async_calls.open_async_call_socket"):
            patch.setattr(f"memx_sdk.{module}", _refuse)
        with pytest.raises(NetworkError):
            only.get("auto-99")
    assert only.get("auto-99").value == 99


def _refuse(_: Options) -> Any:
    raise OSError("refused")


def test_times_out_as_over_http_and_goes_on(create: Create, proxy: Proxy, prefix: str) -> None:
    for kind in ("http", "socket"):
        memx = create(base_url=proxy.url, calls=kind, retries=0)
        memx.set(f"{prefix}a", 1)
        proxy.swallow()
        # Over the open socket, and over one that does not open.
        for _ in range(2):
            with pytest.raises(TimeoutError, match=r"memX did not respond within 0\.5 s\."):
                memx.get(f"{prefix}a", timeout=0.5)
        proxy.flow()
        patient = create(base_url=proxy.url, calls=kind, retries=50)
        assert patient.get(f"{prefix}a").value == 1


def test_an_unknown_api_key_has_the_error_of_http(create: Create) -> None:
    for kind in ("http", "socket"):
        with pytest.raises(UnauthorizedError) as caught:
            create(api_key="unknown", calls=kind).get("a")
        assert (caught.value.code, caught.value.status) == ("invalid_api_key", 403)


def test_thousands_of_calls_at_once_pass_the_bounds(create: Create, prefix: str) -> None:
    memx = create(calls="socket", retries=0, timeout=240)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda n: memx.set(f"{prefix}{n}", "x" * 100_000), range(200)))
        values = list(pool.map(lambda n: memx.get(f"{prefix}{n}").value, range(200)))
    assert values == ["x" * 100_000] * 200


def test_deletes_a_schema_once_over_either_transport(create: Create, prefix: str) -> None:
    key = f"{prefix}a b~*é+"
    by_http, by_socket = create(calls="http"), create(calls="socket")
    by_http.set_schema(key, {"type": "number"})
    first = by_socket.delete_schema(key, idempotency_key=f"{prefix}once")
    assert by_http.delete_schema(key, idempotency_key=f"{prefix}once") == first
    with pytest.raises(InvalidRequestError):
        by_http.delete_schema(f"{key}x", idempotency_key=f"{prefix}once")
