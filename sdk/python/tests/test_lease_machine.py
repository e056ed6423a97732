"""The machine of a lease: the samples that all clients share, and leases under random faults in virtual time."""

from __future__ import annotations

import heapq
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import pytest

from memx_sdk import ConflictError, Entry, InvalidRequestError, MemxError, NetworkError, RateLimitedError
from memx_sdk import _lease_machine as machines
from memx_sdk._lease_core import LeaseCore
from memx_sdk._lease_machine import (
    Applied,
    Claim,
    Config,
    Conflicted,
    Failed,
    LeaseMachine,
    Refused,
    Send,
    read_failure,
)

from .support.server import ROOT

TABLE: dict[str, Any] = json.loads((ROOT / "sdk/lease-table.json").read_text())

NAMES: dict[type[Any], str] = {
    machines.Send: "send",
    machines.Stop: "stop",
    machines.Watch: "watch",
    machines.Resolve: "resolve",
    machines.Reject: "reject",
    machines.End: "end",
    machines.Released: "released",
    machines.ReleaseFailed: "release_failed",
    machines.Report: "throw",
}


class SampleError(Exception):
    """The error of a sample."""


def exact(milliseconds: float) -> Any:
    """Returns seconds without rounding, because the table asks what happens at an exact moment."""
    return Fraction(str(milliseconds)) / 1000


@pytest.fixture
def exact_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DRIFT", "BASE_PAUSE", "MAX_PAUSE", "MAX_CLAIM", "MAX_LATENESS", "MAX_DOUBT"):
        monkeypatch.setattr(machines, name, Fraction(str(getattr(machines, name))))


def read_config(json: dict[str, Any]) -> Config:
    claim = json.get("claim")
    return Config(
        ttl=exact(json["ttlMs"]),
        wait=json["wait"],
        retries=json["retries"],
        value=json["value"],
        is_unique=json["isUnique"],
        claim=Claim(**claim) if claim else None,
    )


def read_event(step: dict[str, Any]) -> machines.Event:
    error = SampleError(step.get("error"))
    match step["event"]:
        case "watch_failed":
            return machines.WatchFailed(error)
        case "applied":
            return Applied(step["request"], step["revision"])
        case "conflict":
            current = step.get("current")
            entry = None if current is None else Entry(current.get("value"), ts=0.0, revision=current["revision"])
            return Conflicted(step["request"], entry, "current" in step, error)
        case "failed":
            retry_after = exact(step.get("retryAfterMs", 0))
            return Failed(step["request"], error, retry_after, may_be_applied=step.get("isApplied") is not False)
        case "refused" | "broken":
            return Refused(step["request"], error, step["event"])
        case command:
            return command


def write_action(action: machines.Action) -> dict[str, Any]:
    members = {name: value for name, value in asdict(action).items() if value is not None}
    if "error" in members:
        members["error"] = members["error"].args[0]
        if members["error"] is None:
            del members["error"]
    return {"do": NAMES[type(action)], **members}


@pytest.mark.parametrize("scenario", TABLE["scenarios"], ids=lambda scenario: scenario["name"])
def test_does_what_the_table_says(scenario: dict[str, Any], exact_constants: None) -> None:
    numbers = itertools.count(1)
    config = read_config({**TABLE["defaults"], **scenario["config"]})
    machine = LeaseMachine(config, lambda: f"id-{next(numbers)}", lambda: exact(TABLE["random"] * 1000))
    for step in scenario["steps"]:
        actions = machine.handle(read_event(step), exact(step["at"]))
        assert [write_action(action) for action in actions] == step["do"], step
        assert machine.state == step["state"], step
        wake_at = None if machine.wake_at == machines.NEVER else machine.wake_at * 1000
        assert wake_at == step["wakeAt"], step


def test_reads_failures() -> None:
    def read(error: BaseException) -> machines.Event:
        return read_failure(error, 7)

    defect = ZeroDivisionError()
    assert read(defect) == Refused(7, defect, "broken")
    entry = Entry(1, ts=2.0, revision=3)
    conflict = ConflictError("conflict", "…", status=409, current=entry, knows_current=True)
    assert read(conflict) == Conflicted(7, entry, True, conflict)
    refused = InvalidRequestError("invalid_request", "…", status=422)
    assert read(refused) == Refused(7, refused)
    lost = NetworkError("network", "…")
    assert read(lost) == Failed(7, lost)
    limited = RateLimitedError("rate_limited", "…", status=429, retry_after=2.0)
    assert read(limited) == Failed(7, limited, 2.0, may_be_applied=False)


@pytest.mark.parametrize(("ttl", "sent"), [(10 / 3, 3.333), (0.01, 1.0), (10**9, 31_536_000.0), (2, 2.0)])
def test_rounds_the_ttl_once(ttl: float, sent: float) -> None:
    assert LeaseCore("a", ttl, None, False, None, 3).ttl == sent


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), True, "30", None])
def test_refuses_a_ttl_that_makes_no_sense(ttl: Any) -> None:
    with pytest.raises(InvalidRequestError):
        LeaseCore("a", ttl, None, False, None, 3)


def test_notices_a_suspension_and_a_wall_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = [0.0]
    monkeypatch.setattr("memx_sdk._lease_core._read_drift", lambda: wall[0])
    core = LeaseCore("a", 30, None, False, None, 3)
    for drift, was_suspended in [
        (0.5, False),
        (60.0, True),
        (60.0, False),
        (-60.0, False),
        (-59.5, False),
        (0.0, True),
    ]:
        wall[0] = drift
        assert core.was_suspended() is was_suspended, drift


# Leases in virtual time.


class Memx:
    """A simulated memX: keys with `expect`, `ttl`, delete, and Idempotency-Keys."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._records: dict[str, int] = {}
        self._revision = 0
        self.entry: tuple[object, int, float, str] | None = None
        """Value, revision, when it expires, and who wrote it."""

    def read(self) -> tuple[object, int, float, str] | None:
        return self.entry if self.entry and self._world.now < self.entry[2] else None

    def write(self, send: Send, ttl: float, holder: str) -> Callable[[int], machines.Event]:
        if send.id in self._records:
            revision = self._records[send.id]
            return lambda request: Applied(request, revision)
        current = self.read()
        if (current[1] if current else 0) != send.expect:
            entry = Entry(current[0], ts=0.0, revision=current[1]) if current else None
            return lambda request: Conflicted(request, entry, True, ConflictError("conflict", "…", status=409))
        self._revision += 1
        revision = self._records[send.id] = self._revision
        self.entry = None if send.call == "release" else (send.value, revision, self._world.now + ttl, holder)
        if send.call == "release":
            self._world.tell_waiters()
        else:
            self._world.after(ttl, self._world.tell_waiters)
        return lambda request: Applied(request, revision)


class World:
    """Time, a network that loses and delays, and the holders."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self.memx = Memx(self)
        self.loss = self.random.choice([0, 0.05, 0.3])
        self.lag = self.random.choice([0.01, 0.2, 2.0])
        hole = self.random.uniform(0, 60)
        self.hole = (hole, hole + self.random.choice([0, 2, 15, 60]))
        self.holders: list[Holder] = []
        self._numbers = itertools.count()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._numbers), work))

    def tell_waiters(self) -> None:
        if self.memx.read() is None:
            for holder in self.holders:
                self.after(self.random.uniform(0, 0.5), lambda holder=holder: holder.handle("free"))

    def run(self) -> None:
        for _ in range(50_000):
            if not self._queue:
                return
            at, _, work = heapq.heappop(self._queue)
            self.now = max(self.now, at)
            work()
            self.judge()
        raise AssertionError("It does not come to rest.")

    def judge(self) -> None:
        believers = [holder for holder in self.holders if holder.believes]
        assert len(believers) <= 1, [holder.name for holder in believers]
        for holder in believers:
            stored = self.memx.read()
            assert stored is not None
            assert stored[3] == holder.name, f"{holder.name} believes, but memX has {stored}"

    def is_lost(self) -> bool:
        return self.hole[0] <= self.now < self.hole[1] or self.random.random() < self.loss


class Holder:
    """One call of `lease`: it claims, holds for a while, and releases."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self._world = world
        self._numbers = itertools.count(1)
        self._ttl = world.random.choice([1.0, 3.3, 10.0, 30.0])
        self._is_watching = False
        self.ended = False
        self.resolved = False
        self.released = False
        self.rejected: machines.Reject | None = None
        self.token = 0
        claim = None
        config = Config(self._ttl, world.random.random() < 0.7, world.random.randint(0, 3), f"own-{name}", True, claim)
        self.machine = LeaseMachine(config, lambda: f"{name}-{next(self._numbers)}", world.random.random)
        world.after(world.random.uniform(0, 40), lambda: self.handle("start"))
        if world.random.random() < 0.3:
            world.after(world.random.uniform(0, 60), lambda: self.handle("cancel"))

    @property
    def believes(self) -> bool:
        return self.resolved and not self.ended and self.machine.is_held

    def handle(self, event: machines.Event) -> None:
        if event == "free" and not self._is_watching:
            return
        for action in self.machine.handle(event, self._world.now):
            self._do(action)
        wake_at = self.machine.wake_at
        if wake_at != machines.NEVER:
            self._world.after(max(0.0, wake_at - self._world.now), lambda: self._wake(wake_at))

    def _wake(self, wake_at: float) -> None:
        if self.machine.wake_at == wake_at:
            self.handle("timer")

    def _do(self, action: machines.Action) -> None:
        world = self._world
        match action:
            case Send():
                self._send(action)
            case machines.Watch():
                self._is_watching = True
                world.after(world.random.uniform(0, 1), lambda: self.handle("free"))
            case machines.Resolve(token):
                self._is_watching = False
                self.resolved, self.token = True, token
                end: machines.Command = "abandon" if world.random.random() < 0.1 else "release"
                world.after(world.random.uniform(0, 60), lambda: self.handle(end))
            case machines.Reject():
                self._is_watching = False
                self.rejected = action
            case machines.End():
                self.ended = True
            case machines.Released() | machines.ReleaseFailed():
                self.released = True
            case _:
                pass

    def _send(self, send: Send) -> None:
        world = self._world
        lost = NetworkError("network", "…")

        def arrive() -> None:
            if world.is_lost():
                world.after(2, lambda: self.handle(Failed(send.request, lost)))
                return
            response = world.memx.write(send, self._ttl, self.name)
            if world.is_lost():
                world.after(2, lambda: self.handle(Failed(send.request, lost)))
            else:
                world.after(world.random.uniform(0, world.lag), lambda: self.handle(response(send.request)))

        world.after(world.random.uniform(0, world.lag), arrive)


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_no_key_ever_has_two_holders_and_none_stays_taken(first: int) -> None:
    leases = 0
    for seed in range(first, first + 50):
        world = World(seed)
        world.holders = [Holder(world, f"h{number}") for number in range(world.random.randint(2, 5))]
        world.run()
        for holder in world.holders:
            assert holder.machine.state == "over", (seed, holder.name, holder.machine.state)
            assert holder.resolved or holder.rejected is not None, (seed, holder.name)
            leases += holder.resolved
        # Tokens grow with each holder, in the order in which they held the key.
        tokens = [holder.token for holder in world.holders if holder.resolved]
        assert len(set(tokens)) == len(tokens)
    assert leases > 50


def test_errors_of_the_transport_are_told_apart() -> None:
    closed = MemxError("closed", "The client is closed.")
    assert read_failure(closed, 1) == Refused(1, closed)
