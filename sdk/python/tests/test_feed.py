"""The state machines of the feed alone. The test plays memX, the sockets, and the clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memx_sdk import InvalidRequestError, NetworkError, ValueEvent
from memx_sdk._delivery import Delivery, Reset
from memx_sdk._feed import Connection, Drop, Feed, Open, Ping, Request, call_of
from memx_sdk._json import Decoder
from memx_sdk._models import ChangesPage
from memx_sdk._options import read_options
from memx_sdk._reads import Reads
from memx_sdk._responses import event_json

AWAY = NetworkError("network", "memX is away.")


def change(revision: int, key: str = "a") -> ValueEvent[Any]:
    return ValueEvent("set", key, revision, float(revision), revision, revision - 1)


def page(revisions: list[int], revision: int, reset: bool = False) -> ChangesPage:
    return ChangesPage(tuple((change(each), 10) for each in revisions), revision, reset)


def subscription(key: str = "a", *, since: int | None = None, max_events: int = 3, keys: bool = False) -> Delivery:
    return Delivery(
        [key],
        lambda each: each == key,
        keys=[key] if keys else [],
        event="value",
        since=since,
        max_events=max_events,
        notify=lambda _: None,
    )


def deliver(delivery: Delivery, *revisions: int) -> None:
    for revision in revisions:
        delivery.deliver(change(revision), 10)


def taken(delivery: Delivery) -> list[Any]:
    items: list[Any] = []
    while (item := delivery.queue.shift()) is not None:
        items.append(f"reset {item.revision}" if isinstance(item, Reset) else item.event.revision)
    return items


def respond(delivery: Delivery, answer: ChangesPage) -> int:
    """Responds to the catch-up that is due. Returns after which revision it asked."""
    job = delivery.catch_up
    assert job is not None
    if not job.sent:
        delivery.send(job)
    delivery.succeeded(job, answer)
    return job.since


def test_drops_changes_from_before_it_joined_and_changes_that_arrive_twice() -> None:
    delivery = subscription()
    deliver(delivery, 1)
    delivery.joined(5)
    deliver(delivery, 4, 5, 6, 6, 7)
    assert taken(delivery) == [6, 7]
    assert delivery.status == "live"


def test_puts_live_events_that_arrive_during_a_catch_up_after_its_page() -> None:
    delivery = subscription(since=2)
    delivery.joined(5)
    assert delivery.state == "catching up"
    delivery.send(delivery.jobs()[0])
    deliver(delivery, 6, 7)
    assert respond(delivery, page([3, 6], 6)) == 2
    assert delivery.state == "live"
    assert taken(delivery) == [3, 6, 7]


def test_reads_again_if_the_feed_skips_changes_during_a_catch_up() -> None:
    delivery = subscription(since=2)
    delivery.joined(5)
    delivery.send(delivery.jobs()[0])
    delivery.missed()
    assert respond(delivery, page([3], 5)) == 2
    assert delivery.state == "catching up"
    assert respond(delivery, page([6], 7)) == 5
    assert delivery.state == "live"
    assert taken(delivery) == [3, 6]


def test_reads_again_if_too_many_events_arrive_during_a_catch_up() -> None:
    delivery = subscription(since=2)
    delivery.joined(5)
    delivery.send(delivery.jobs()[0])
    deliver(delivery, 6, 7, 8, 9)
    respond(delivery, page([6], 6))
    assert delivery.state == "catching up"
    assert respond(delivery, page([7, 8, 9], 9)) == 6
    assert taken(delivery) == [6, 7, 8, 9]


def test_falls_behind_a_slow_consumer_and_catches_up_when_it_has_read_the_queue() -> None:
    delivery = subscription()
    delivery.joined(5)
    deliver(delivery, 6, 7, 8, 9, 10)
    assert delivery.status == "behind"
    for revision in (6, 7, 8):
        item = delivery.take()
        assert item is not None
        assert not isinstance(item, Reset)
        assert item.event.revision == revision
    assert delivery.state == "behind"
    assert delivery.take() is None
    assert delivery.status == "connecting"
    assert respond(delivery, page([9, 10], 10)) == 8
    assert taken(delivery) == [9, 10]
    assert delivery.status == "live"


def test_an_event_that_is_too_large_by_itself_passes() -> None:
    delivery = subscription()
    delivery.joined(0)
    delivery.deliver(change(1), 20_000_000)
    assert delivery.state == "live"
    delivery.deliver(change(2), 20_000_000)
    assert delivery.state == "behind"
    assert taken(delivery) == [1]


def test_a_reset_comes_before_the_snapshot_that_replaces_everything() -> None:
    delivery = subscription(since=5)
    delivery.joined(9)
    respond(delivery, page([3, 9], 9, reset=True))
    assert taken(delivery) == ["reset 9", 3, 9]
    # A snapshot from the start replaces nothing.
    delivery = subscription(since=0)
    delivery.joined(9)
    respond(delivery, page([3, 9], 9, reset=True))
    assert taken(delivery) == [3, 9]


def test_a_catch_up_that_fails_is_tried_again_later_and_one_that_is_refused_ends_it() -> None:
    delivery = subscription(since=0)
    delivery.joined(9)
    job = delivery.jobs()[0]
    delivery.send(job)
    delivery.job_failed(job, AWAY, now=100)
    assert delivery.last_error is AWAY
    assert 100 <= job.due <= 100.4
    assert delivery.jobs() == [job]
    delivery.send(job)
    delivery.job_failed(job, InvalidRequestError("invalid_request", "…", status=422), now=101)
    assert delivery.status == "closed"
    assert isinstance(delivery.error, InvalidRequestError)
    # What comes late changes nothing.
    delivery.succeeded(job, page([1], 1))
    delivery.job_failed(job, AWAY, now=102)
    delivery.joined(10)
    delivery.deliver(change(11), 1)
    delivery.end(None)
    assert (delivery.status, taken(delivery)) == ("closed", [])


def test_is_live_only_when_it_is_connected_and_allowed() -> None:
    delivery = subscription(keys=True)
    delivery.joined(5)
    assert delivery.status == "connecting"
    (job,) = delivery.jobs()
    delivery.send(job)
    delivery.succeeded(job, None)
    assert delivery.status == "live"
    delivery.disconnected(AWAY)
    assert (delivery.status, delivery.last_error) == ("connecting", AWAY)
    delivery.joined(6)
    assert (delivery.status, delivery.last_error) == ("live", None)


# The feed.


class World:
    """A feed, its sockets, and a clock."""

    def __init__(self) -> None:
        options = read_options(
            "k",
            "http://memx",
            timeout=10,
            retries=0,
            agent=None,
            parse_float=None,
            ping_interval=25,
            ping_timeout=10,
        )
        self.feed = Feed(options, Decoder(), Reads("strong"))
        self.now = 1_000.0

    def tick(self, seconds: float = 0) -> list[Any]:
        self.now += seconds
        self.feed.tick(self.now)
        actions = list(self.feed.actions)
        self.feed.actions.clear()
        return actions

    def opened(self) -> Connection:
        """Returns the one socket that the feed opens now."""
        (connection,) = (action.connection for action in self.tick() if isinstance(action, Open))
        return connection

    def send(self, connection: Connection, *frames: dict[str, Any] | str) -> None:
        for frame in frames:
            self.feed.frame(connection, frame if isinstance(frame, str) else json.dumps(frame), self.now)

    def ready(self, connection: Connection, revision: int) -> None:
        self.send(connection, {"event": "ready", "revision": revision})

    def set(self, connection: Connection, *revisions: int, key: str = "a") -> None:
        self.send(connection, *(event_json(change(revision, key)) for revision in revisions))

    def lose(self, connection: Connection, code: int | None = None, reason: str = "") -> None:
        self.feed.ended(connection, code, reason, AWAY, self.now)

    def reconnect(self) -> Connection:
        due = self.feed.next_tick()
        while due == 0:
            assert not any(isinstance(action, Open) for action in self.tick())
            due = self.feed.next_tick()
        assert due is not None
        self.now = due
        return self.opened()


@pytest.fixture
def world() -> World:
    return World()


def test_all_subscriptions_share_a_socket(world: World) -> None:
    first, second = subscription("a"), subscription("b")
    world.feed.add(first)
    world.feed.add(second)
    socket = world.opened()
    assert socket.target == "/watch?event=value&pattern=a&pattern=b"
    world.ready(socket, 5)
    world.set(socket, 6, key="a")
    world.set(socket, 7, key="b")
    assert (taken(first), taken(second)) == ([6], [7])
    assert world.tick() == []


def test_a_new_subscription_gets_a_new_socket_that_begins_where_the_old_one_is(world: World) -> None:
    first, second = subscription("a"), subscription("b")
    world.feed.add(first)
    old = world.opened()
    world.ready(old, 5)
    world.set(old, 6)
    world.feed.add(second)
    new = world.opened()
    assert new.target == "/watch?event=value&pattern=a&pattern=b&since=6"
    world.set(old, 7)
    world.set(new, 7, 8)
    assert (first.status, second.status) == ("live", "connecting")
    world.ready(new, 8)
    assert world.tick() == [Drop(old, is_dead=False)]
    assert (taken(first), second.status) == ([6, 7, 8], "live")
    world.set(old, 9)  # It is closed already.
    assert taken(first) == []


def test_a_subscription_that_leaves_narrows_the_socket(world: World) -> None:
    first, second = subscription("a"), subscription("b")
    world.feed.add(first)
    world.feed.add(second)
    world.ready(world.opened(), 5)
    world.feed.remove(second)
    socket = world.opened()
    assert socket.target == "/watch?event=value&pattern=a&since=5"
    world.ready(socket, 5)
    world.feed.remove(first)
    assert [type(action) for action in world.tick()] == [Drop, Drop]
    assert world.feed.is_idle
    assert world.feed.next_tick() is None


def test_reconnects_after_a_pause_and_goes_on_where_it_was(world: World) -> None:
    member = subscription()
    world.feed.add(member)
    socket = world.opened()
    world.ready(socket, 5)
    world.set(socket, 6)
    world.lose(socket)
    assert (member.status, member.last_error) == ("connecting", AWAY)
    again = world.reconnect()
    assert again.target == "/watch?event=value&pattern=a&since=6"
    world.set(again, 7)
    world.ready(again, 7)
    assert (member.status, taken(member)) == ("live", [6, 7])


def test_pauses_grow_until_a_socket_is_ready(world: World) -> None:
    world.feed.add(subscription())
    socket = world.opened()
    latest: list[float] = []
    for _ in range(20):
        began = world.now
        world.lose(socket)
        socket = world.reconnect()
        latest.append(world.now - began)
    assert max(latest) > 1
    assert max(latest) <= 20
    world.ready(socket, 1)
    began = world.now
    world.lose(socket)
    world.reconnect()
    assert world.now - began <= 0.4


def test_a_refusal_ends_the_new_subscriptions_or_all(world: World) -> None:
    first, second = subscription("a"), subscription("b")
    world.feed.add(first)
    old = world.opened()
    world.ready(old, 5)
    world.feed.add(second)
    world.lose(world.opened(), 4403, "The API key may not read the key.")
    assert (first.status, second.status) == ("live", "closed")
    assert str(second.error) == "The API key may not read the key."
    world.lose(old, 4403)
    assert first.status == "closed"
    assert [type(action) for action in world.tick()].count(Open) == 0
    assert world.feed.is_idle


def test_a_close_that_is_no_refusal_reconnects(world: World) -> None:
    world.feed.add(subscription())
    socket = world.opened()
    for code in (1000, 1001, 1006, 1011, 1012, 1013, 4400):
        world.lose(socket, code)
        socket = world.reconnect()


def test_gives_up_a_socket_that_is_silent(world: World) -> None:
    member = subscription()
    world.feed.add(member)
    socket = world.opened()
    assert world.tick(9.9) == []
    assert world.tick(0.2) == [Drop(socket, is_dead=True)]
    assert member.last_error is not None
    socket = world.reconnect()
    world.ready(socket, 5)
    # Without news, it pings.
    assert world.tick(25) == [Ping(socket)]
    world.send(socket, "pong")
    assert world.tick(24.9) == []
    assert world.tick(0.2) == [Ping(socket)]
    world.tick(9)
    world.set(socket, 6)  # Any frame is a sign of life.
    assert world.tick(9) == []
    assert world.tick(1.1) == [Drop(socket, is_dead=True)]
    assert member.status == "connecting"


def test_confirms_what_it_has_read(world: World) -> None:
    world.feed.add(subscription(max_events=10))
    socket = world.opened()
    world.ready(socket, 0)
    large = event_json(change(1)) | {"value": "x" * 20_000}
    world.send(socket, large)
    assert world.tick() == []
    world.send(socket, large | {"revision": 2})
    assert world.tick() == [Ping(socket)]
    world.send(socket, large | {"revision": 3}, large | {"revision": 4})
    assert world.tick() == []  # Not before the response.
    world.send(socket, "pong", large | {"revision": 5})
    assert world.tick() == [Ping(socket)]


def test_after_a_reset_each_subscription_catches_up_by_itself(world: World) -> None:
    member = subscription()
    world.feed.add(member)
    socket = world.opened()
    world.ready(socket, 5)
    world.set(socket, 6)
    world.lose(socket)
    again = world.reconnect()
    world.send(again, {"event": "reset", "revision": 90})
    world.set(again, 80)  # Part of the snapshot, which each subscription reads by itself.
    world.ready(again, 90)
    (request,) = (action for action in world.tick() if isinstance(action, Request))
    assert request.job.since == 6
    world.feed.succeeded(member, request.job, page([80], 90, reset=True))
    assert taken(member) == [6, "reset 90", 80]
    assert member.status == "live"


@pytest.mark.parametrize("frame", ["{", "<html>", "[]", "1", '{"event":"value"}', '{"event":"ready","revision":"1"}'])
def test_a_frame_that_does_not_come_from_memx_ends_the_socket(world: World, frame: str) -> None:
    member = subscription()
    world.feed.add(member)
    socket = world.opened()
    world.send(socket, frame)
    assert world.tick()[0] == Drop(socket, is_dead=False)
    assert member.last_error is not None
    world.send(socket, frame)
    world.reconnect()


def test_a_frame_that_it_does_not_know_is_ignored(world: World) -> None:
    member = subscription()
    world.feed.add(member)
    socket = world.opened()
    world.send(socket, {"event": "later", "revision": "x"})
    world.ready(socket, 1)
    assert member.status == "live"


def test_a_failed_request_is_due_later(world: World) -> None:
    member = subscription(keys=True)
    world.feed.add(member)
    (request,) = (action for action in world.tick() if isinstance(action, Request))
    world.feed.failed(member, request.job, NetworkError("network", "…", retry_after=5), world.now)
    assert [action for action in world.tick(4.9) if isinstance(action, Request)] == []
    assert [type(action) for action in world.tick(0.6)].count(Request) == 1
    world.feed.failed(member, request.job, InvalidRequestError("invalid_request", "…", status=422), world.now)
    assert member.status == "closed"
    world.tick()
    assert world.feed.is_idle


def test_a_member_that_ended_by_itself_leaves(world: World) -> None:
    member = subscription()
    world.feed.add(member)
    world.opened()
    member.end(None)
    world.tick()
    world.tick()
    assert world.feed.is_idle


def test_checks_the_right_to_read_many_keys_in_parts(world: World) -> None:
    keys = [f"k{number}" for number in range(2_500)]
    member = Delivery(
        keys, keys.__contains__, keys=keys, event="value", since=None, max_events=1, notify=lambda _: None
    )
    world.feed.add(member)
    read: list[str] = []
    for _ in range(3):
        (request,) = (action for action in world.tick() if isinstance(action, Request))
        body = call_of(member, request.job).body
        assert body is not None
        read += json.loads(body)["keys"]
        # The values together are too large for one response, which memX says only to whom it would show them.
        error = InvalidRequestError("too_large", "…", status=413)
        world.feed.failed(member, request.job, error, world.now)
    assert read == keys
    assert (member.access, member.error) == (None, None)


def test_confirms_what_it_has_read_before_it_is_ready(world: World) -> None:
    world.feed.add(subscription(max_events=10))
    socket = world.opened()
    world.ready(socket, 1)
    world.lose(socket)
    socket = world.reconnect()
    # A replay, which memX does not go on with otherwise.
    large = event_json(change(2)) | {"value": "x" * 20_000}
    world.send(socket, large)
    assert world.tick() == []
    world.send(socket, large | {"revision": 3})
    assert world.tick() == [Ping(socket)]
    world.send(socket, "pong", {"event": "reset", "revision": 9}, large, large | {"revision": 3})
    assert world.tick() == [Ping(socket)]
