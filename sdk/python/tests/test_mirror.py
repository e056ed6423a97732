"""A mirror is equal to memX at its own revision, whatever happens to its socket, and is read without a call."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from memx_sdk import Entry, InvalidRequestError, MemxError, TimeoutError, UnauthorizedError, ValueEvent
from memx_sdk._delivery import Delivery
from memx_sdk._mirror_core import MirrorCore
from memx_sdk._models import ChangesPage

from .support.proxy import Proxy
from .support.server import Server

Create = Callable[..., Any]


def values(mirror: Any) -> dict[str, Any]:
    return {key: entry.value for key, entry in mirror.entries()}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_holds_the_entries_that_match_and_follows_them(memx: Any, prefix: str) -> None:
    memx.set(f"{prefix}a", {"x": 1})
    memx.set(f"{prefix}b", 2)
    memx.set(f"other-{prefix}", "no match")
    with memx.mirror(f"{prefix}*") as mirror:
        assert values(mirror) == {f"{prefix}a": {"x": 1}, f"{prefix}b": 2}
        assert (len(mirror), mirror.status, mirror.last_error, mirror.error) == (2, "live", None, None)

        memx.set(f"{prefix}c", 3, ttl=60)
        revision = memx.delete(f"{prefix}b").revision
        mirror.at(revision, 60)
        assert mirror.revision >= revision
        assert values(mirror) == {f"{prefix}a": {"x": 1}, f"{prefix}c": 3}
        for name in "abc":
            assert mirror.get(f"{prefix}{name}") == memx.get(f"{prefix}{name}")
    assert mirror.status == "closed"


def test_loses_a_value_that_expires(memx: Any, prefix: str) -> None:
    memx.set(prefix, 1, ttl=1)
    with memx.mirror(prefix) as mirror:
        wait_for(lambda: mirror.get(prefix) is None)
        assert len(mirror) == 0


def test_is_read_without_a_call_also_by_get(create: Create, proxy: Proxy, prefix: str) -> None:
    memx = create(base_url=proxy.url, retries=0)
    memx.set(prefix, 1)
    target = getattr(memx, "_target", memx)
    with memx.mirror(prefix) as mirror:
        own = getattr(mirror, "_target", mirror)
        proxy.swallow()
        assert memx.get(prefix, mirror=own) == mirror.get(prefix)
        # A key that the mirror does not cover needs a call.
        with pytest.raises(TimeoutError):
            memx.get(f"{prefix}other", mirror=own, timeout=0.2)
        proxy.flow()
    # A mirror that has ended, too.
    assert memx.get(prefix, mirror=own).value == 1
    assert target is not None


def test_reaches_the_revision_of_a_change_that_it_does_not_cover(memx: Any, prefix: str) -> None:
    statuses: list[str] = []
    with memx.mirror(prefix, on_status=lambda status, _: statuses.append(status)) as mirror:
        wait_for(lambda: statuses == ["live"])
        revision = memx.set(f"{prefix}other", 1).revision
        assert mirror.revision < revision
        mirror.at(revision, 60)
        mirror.at(0)
        assert mirror.revision >= revision
        assert statuses == ["live"]


def test_stops_waiting_for_a_revision(memx: Any, prefix: str) -> None:
    mirror = memx.mirror(prefix)
    never = mirror.revision + 1_000_000
    with pytest.raises(TimeoutError):
        mirror.at(never, 0.3)
    closer = threading.Timer(0.3, mirror.close)
    closer.start()
    with pytest.raises(MemxError) as closed:
        mirror.at(never, 60)
    assert closed.value.code == "closed"
    closer.join()


def test_names_each_key_that_changes(memx: Any, prefix: str) -> None:
    memx.set(f"{prefix}a", 1)
    seen: list[tuple[str, Any]] = []
    with memx.mirror(f"{prefix}*") as mirror:
        stop = mirror.on_change(lambda key, entry: seen.append((key[-1], entry and entry.value)))
        memx.set(f"{prefix}b", 2)
        memx.delete(f"{prefix}a")
        wait_for(lambda: len(seen) == 2)
        stop()
        mirror.at(memx.set(f"{prefix}c", 3).revision, 60)
    assert seen == [("b", 2), ("a", None)]


def test_ends_with_the_error_of_a_listener(memx: Any, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    mirror = memx.mirror(prefix)
    fault = ValueError("mine")

    def fail(_: str, __: object) -> None:
        raise fault

    mirror.on_change(fail)
    memx.set(prefix, 1)
    wait_for(lambda: mirror.status == "closed")
    assert mirror.error is fault
    with pytest.raises(ValueError, match="mine"):
        mirror.get(prefix)
    assert "A listener of a mirror raised" in caplog.text


def test_raises_when_it_is_read_after_its_end(create: Create, prefix: str) -> None:
    memx = create()
    mirror = memx.mirror(prefix)
    mirror.close()
    assert (mirror.status, mirror.error) == ("closed", None)
    for read in (lambda: mirror.get(prefix), lambda: len(mirror), lambda: list(mirror.entries()), lambda: mirror.at(0)):
        with pytest.raises(MemxError) as closed:
            read()
        assert closed.value.code == "closed"
    second = memx.mirror(prefix)
    memx.close()
    with pytest.raises(MemxError):
        len(second)


def test_refuses_what_cannot_work(create: Create, prefix: str) -> None:
    memx = create()
    with memx.mirror(prefix) as mirror:
        with pytest.raises(InvalidRequestError, match="no pattern"):
            mirror.get(f"{prefix}other")
        for revision in (1.5, -1, True, "1"):
            with pytest.raises(InvalidRequestError, match="revision"):
                mirror.at(revision)
    with pytest.raises(InvalidRequestError):
        memx.mirror([])
    for max_chars in (0, 1.5, True):
        with pytest.raises(InvalidRequestError, match="max_chars"):
            memx.mirror(prefix, max_chars=max_chars)
    with pytest.raises(UnauthorizedError):
        create("unknown").mirror(prefix)


def test_is_not_complete_in_time(create: Create, proxy: Proxy, prefix: str) -> None:
    proxy.swallow()
    with pytest.raises(TimeoutError):
        create(base_url=proxy.url).mirror(prefix, timeout=0.3)


@pytest.mark.parametrize("when", ["at its start", "later"])
def test_ends_if_its_entries_are_too_large(memx: Any, prefix: str, when: str) -> None:
    memx.set(prefix, "x" * (1 if when == "later" else 1_000))
    if when == "at its start":
        with pytest.raises(MemxError) as full:
            memx.mirror(prefix, max_chars=500)
        assert full.value.code == "mirror_full"
        return
    mirror = memx.mirror(prefix, max_chars=500)
    # A value that replaces another one counts once.
    for number in range(10):
        memx.set(prefix, str(number) * 100)
    mirror.at(memx.set(prefix, 1).revision, 60)
    memx.set(prefix, "x" * 1_000)
    wait_for(lambda: mirror.status == "closed")
    assert mirror.error.code == "mirror_full"
    with pytest.raises(MemxError) as full:
        mirror.get(prefix)
    assert full.value.code == "mirror_full"


def change(key: str, revision: int, action: Any = "set") -> tuple[ValueEvent[Any], int]:
    return ValueEvent(action, key, revision if action == "set" else None, float(revision), revision, 0), 10


def test_swaps_whole_states_after_a_reset() -> None:
    core = MirrorCore(lambda _: True, 1_000)
    steps: list[tuple[int, dict[str, Any], dict[str, Any]]] = []

    def take(delivery: Delivery) -> None:
        changes = {key: entry and entry.value for key, entry in core.take(delivery).items()}
        step = (core.revision, changes, {key: entry.value for key, entry in core.entries()})
        if not steps or steps[-1][0] != step[0]:
            steps.append(step)

    delivery = Delivery(["*"], lambda _: True, keys=[], event="value", since=0, max_events=2, notify=take)

    def answer(*changes: tuple[ValueEvent[Any], int], revision: int, reset: bool = False) -> None:
        job = delivery.catch_up
        assert job is not None
        delivery.send(job)
        delivery.succeeded(job, ChangesPage(changes, revision, reset))

    delivery.joined(5)
    answer(change("a", 1), change("b", 2), change("c", 3), revision=5)
    delivery.deliver(*change("b", 6, "delete"))
    delivery.missed()
    answer(change("c", 3), change("d", 1_000), revision=1_001, reset=True)
    assert steps == [
        (0, {}, {}),
        (5, {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2, "c": 3}),
        (6, {"b": None}, {"a": 1, "c": 3}),
        (1_001, {"a": None, "d": 1_000}, {"c": 3, "d": 1_000}),
    ]


def test_asks_memx_again_until_it_knows_how_far_it_is() -> None:
    core = MirrorCore(lambda _: True, 1_000)

    def take(delivery: Delivery) -> None:
        core.take(delivery)

    delivery = Delivery(["a"], "a".__eq__, keys=[], event="value", since=None, max_events=3, notify=take)
    delivery.joined(5)

    def refresh(*changes: tuple[ValueEvent[Any], int], revision: int, reset: bool = False) -> None:
        delivery.refresh()
        (job,) = delivery.jobs()
        delivery.send(job)
        delivery.refresh()
        assert delivery.jobs() == []
        delivery.succeeded(job, ChangesPage(changes, revision, reset))

    refresh(change("b", 6), change("a", 7), revision=9)
    assert (core.revision, core.size(), delivery.state) == (9, 1, "live")
    # An answer that live events have overtaken changes nothing.
    refresh(revision=8)
    assert core.revision == 9
    delivery.refresh()
    (job,) = delivery.jobs()
    delivery.send(job)
    delivery.job_failed(job, MemxError("unavailable", "memX is away."), 0.0)
    assert (delivery.state, delivery.jobs()) == ("live", [])
    refresh(revision=1_000, reset=True)
    assert (delivery.state, core.revision) == ("catching up", 9)


Written = dict[int, tuple[str, "int | None"]]


def state_at(written: Written, revision: int) -> dict[str, int]:
    state: dict[str, int] = {}
    for at in sorted(written):
        key, value = written[at]
        if at > revision:
            break
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
    return state


def write_until(is_over: Callable[[], bool], memx: Any, prefix: str, seed: int, written: Written) -> None:
    numbers = random.Random(seed)
    number = seed * 1_000_000
    while not is_over():
        number += 1
        key = f"{prefix}{numbers.randrange(10)}"
        if numbers.random() < 0.2:
            deleted = memx.delete(key)
            if deleted.deleted:
                written[deleted.revision] = (key, None)
        else:
            written[memx.set(key, number).revision] = (key, number)
        time.sleep(0.005)


def run_writers(is_over: Callable[[], bool], memx: Any, prefix: str) -> tuple[Written, list[threading.Thread]]:
    written: Written = {}
    writers = [
        threading.Thread(target=write_until, args=(is_over, memx, prefix, seed, written), daemon=True)
        for seed in range(1, 5)
    ]
    for writer in writers:
        writer.start()
    return written, writers


def check_equal(states: dict[int, dict[str, Entry[Any]]], written: Written) -> None:
    for revision, entries in states.items():
        assert {key: entry.value for key, entry in entries.items()} == state_at(written, revision), revision


def test_is_equal_to_memx_at_its_revision_while_its_socket_breaks(create: Create, proxy: Proxy, prefix: str) -> None:
    memx = create()
    watcher = create(base_url=proxy.url, ping_interval=0.2, ping_timeout=0.4)
    mirror = watcher.mirror(f"{prefix}*")
    cuts = 0
    written, writers = run_writers(lambda: cuts >= 5, memx, prefix)
    states: dict[int, dict[str, Entry[Any]]] = {}
    core, lock = _core_of(mirror)
    while cuts < 5:
        for _ in range(20):
            with lock:
                states[core.revision] = dict(core.entries())
            time.sleep(0.01)
        if mirror.status == "live":
            proxy.cut()
            cuts += 1
    for writer in writers:
        writer.join()
    mirror.at(max(written), 60)
    with lock:
        states[core.revision] = dict(core.entries())
    check_equal(states, written)
    assert len(states) > 5
    mirror.close()


@pytest.mark.long
def test_is_equal_to_memx_at_its_revision_while_memx_is_killed(create: Create, server: Server, prefix: str) -> None:
    server.start()
    memx = create(base_url=server.url, retries=1_000, timeout=60)
    mirror = memx.mirror(f"{prefix}*")
    kills = 0
    written, writers = run_writers(lambda: kills >= 5, memx, prefix)
    states: dict[int, dict[str, Entry[Any]]] = {}
    core, lock = _core_of(mirror)
    while kills < 5:
        for _ in range(100):
            with lock:
                states[core.revision] = dict(core.entries())
            time.sleep(0.01)
        server.kill()
        server.start()
        wait_for(lambda: mirror.status == "live")
        kills += 1
    for writer in writers:
        writer.join()
    mirror.at(max(written), 60)
    with lock:
        states[core.revision] = dict(core.entries())
    check_equal(states, written)
    mirror.close()


def _core_of(mirror: Any) -> tuple[MirrorCore, Any]:
    """What a test reads of both kinds of mirrors at one moment."""
    target = getattr(mirror, "_target", None)
    if target is None:
        return mirror._core, mirror._feed.lock
    return target._core, _InLoop(mirror._loop)


class _InLoop:
    """Holds an event loop still, as the lock of the other client does."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._entered = threading.Event()
        self._left = threading.Event()

    def __enter__(self) -> None:
        self._entered.clear()
        self._left.clear()
        threading.Thread(target=self._loop.run, args=(self._hold,), daemon=True).start()
        assert self._entered.wait(60)

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def _hold(self) -> None:
        self._entered.set()
        self._left.wait(60)
