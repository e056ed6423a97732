"""The states of a lease as a machine without I/O and without a clock: an event goes in with its time, actions come out.

sdk/typescript/lease-states.ts explains the states, what leads from one to another, and why a response proves what it
proves. sdk/lease-table.json has samples of it, against which the clients in every language are tested.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ._errors import ConflictError, MemxError
from ._models import Entry
from ._responses import is_final

NEVER = float("inf")

DRIFT = 0.01
"""How much faster or slower than ours the clock of memX may run."""
BASE_PAUSE = 0.4
MAX_PAUSE = 20.0
MAX_CLAIM = 240.0
"""A claim gives up before memX forgets its Idempotency-Key, after 5 minutes."""
MAX_LATENESS = 1.0
"""A timer that is later than this tells of a suspension."""
MAX_DOUBT = 10.0

State: TypeAlias = Literal[
    "new", "claiming", "waiting", "confirming", "held", "renewing", "releasing", "tracing", "over"
]

EndReason: TypeAlias = Literal["released", "abandoned", "expired", "conflict", "refused", "broken"]
"""Why a lease ended. After `released` and `abandoned`, the caller ended it; after the others, it is lost."""

Failure: TypeAlias = Literal["cancelled", "late", "error"]
"""Why there is no lease. `late`: memX responded too late for the claim to be valid."""

Command: TypeAlias = Literal["start", "free", "timer", "suspended", "cancel", "release", "abandon"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that may be sent again, by its Idempotency-Key."""

    id: str
    value: object


@dataclass(frozen=True, slots=True)
class Config:
    """How to make a lease. Times are in seconds."""

    ttl: float
    wait: bool
    """Whether to wait until the key is free."""
    retries: int
    """Tries of a claim after the first."""
    value: object
    """The value that the lease writes."""
    is_unique: bool
    """Whether no other lease writes `value`, and none writes the claim's value under another id. Then they are texts.
    """
    claim: Claim | None = None
    """The claim, if the caller chose its Idempotency-Key. Another process may have sent it before."""


# Events.


@dataclass(frozen=True, slots=True)
class WatchFailed:
    """The subscription that waits for the key ended."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Applied:
    """memX applied the write of a request."""

    request: int
    revision: int


@dataclass(frozen=True, slots=True)
class Conflicted:
    """memX did not apply the write, because the key holds `current`. `knows_current` is False if memX did not say."""

    request: int
    current: Entry[Any] | None
    knows_current: bool
    error: BaseException


@dataclass(frozen=True, slots=True)
class Failed:
    """Another try may succeed. memX may have applied this one, unless it says that it did not."""

    request: int
    error: BaseException
    retry_after: float = 0.0
    may_be_applied: bool = True


@dataclass(frozen=True, slots=True)
class Refused:
    """memX refuses the request for good; or the client has a defect, which must not go unseen."""

    request: int
    error: BaseException
    because: Literal["refused", "broken"] = "refused"


Event: TypeAlias = "Command | WatchFailed | Applied | Conflicted | Failed | Refused"


# Actions.


@dataclass(frozen=True, slots=True)
class Send:
    """Stop the request that is under way, and send one: a claim or a renewal (`set`), or a deletion."""

    request: int
    call: Literal["claim", "renew", "release"]
    id: str
    """The Idempotency-Key: the same in every try."""
    expect: int
    value: object = None
    """Not part of a deletion."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the request that is under way."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Subscribe to the key: `free` must follow once the subscription is live, and whenever the key becomes free."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """The lease begins."""

    token: int


@dataclass(frozen=True, slots=True)
class Reject:
    """There is no lease."""

    because: Failure
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Tell the holder that the lease is over."""

    because: EndReason
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """The call of `release` is done."""


@dataclass(frozen=True, slots=True)
class ReleaseFailed:
    """The call of `release` failed."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Report:
    """Report a defect for which no caller waits."""

    error: BaseException


Action: TypeAlias = "Send | Stop | Watch | Resolve | Reject | End | Released | ReleaseFailed | Report"


@dataclass(slots=True)
class _Write:
    """A request with its tries."""

    call: Literal["claim", "renew", "release"]
    id: str
    expect: int
    value: object
    since: float
    """When the first try was sent."""
    tries: int
    request: int | None = None
    """The try that is under way."""
    next_at: float = NEVER
    """When to send the next try, even if one is still under way."""
    is_uncertain: bool = False
    """Whether memX may have applied a try that got no response."""


class LeaseMachine:
    """One lease.

    Args:
        new_id: Returns a new Idempotency-Key.
        random: Returns a number from 0 to 1, for the pause between two tries.
    """

    def __init__(self, config: Config, new_id: Callable[[], str], random: Callable[[], float]) -> None:
        self.state: State = "new"
        self.token: int = 0
        """The fencing token: the revision of the claim."""
        self.revision: int = 0
        """The key's revision, as of the last write of this lease that memX confirmed."""
        self._config = config
        self._new_id = new_id
        self._random = random
        self._now = 0.0
        self._actions: list[Action] = []
        self._requests = 0
        self._write: _Write | None = None
        # A renewal that memX may have applied before the deletion that is now under way.
        self._unsettled: _Write | None = None
        self._ends_at = NEVER
        self._renew_at = NEVER
        # When memX no longer has a write of this lease, even if it applied the last try.
        self._written_until = 0.0
        self._give_up_at = NEVER
        # A response proves nothing if its first try was sent before this moment.
        self._suspended_at = -NEVER
        self._is_in_doubt = False
        self._is_watching = False
        self._watch_failure: BaseException | None = None
        # Whether the key became free while a claim was under way.
        self._is_free = False
        # The claim that memX may have applied before, so that a response to it proves nothing: under the caller's
        # Idempotency-Key, by an earlier process; otherwise by a try that arrived after memX had refused a later one.
        self._repeated = config.claim
        self._is_release_awaited = False
        self._defect: BaseException | None = None

    @property
    def wake_at(self) -> float:
        """When the machine needs a `timer`. A `timer` at another time does no harm."""
        ends_at = self._ends_at if self.is_held or self._is_release_awaited else NEVER
        next_at = NEVER if self._write is None else self._write.next_at
        return min(ends_at, self._renew_at, self._give_up_at, next_at)

    @property
    def is_held(self) -> bool:
        """Whether the holder may believe that the key is its own."""
        return self.state in ("held", "renewing")

    def handle(self, event: Event, now: float) -> list[Action]:
        """Takes an event. `now` is the time of a clock that never steps."""
        self._now = now
        self._actions = []
        self._take(event)
        return self._actions

    def _take(self, event: Event) -> None:
        if isinstance(event, (Applied, Conflicted, Failed, Refused)):
            # The machine has stopped any other request.
            if self._write is None or event.request != self._write.request:
                return
            self._write.request = None
            self._write.next_at = NEVER
        match event:
            case "start":
                self._claim()
            case "free":
                self._is_free = True
                if self.state == "waiting":
                    self._claim()
            case "timer":
                self._wake()
            case "suspended":
                self._suspended_at = self._now
                if self.is_held:
                    self._doubt(self._ends_at)
            case "cancel":
                if self._is_acquiring or self.state == "waiting":
                    self._reject("cancelled")
            case "release":
                self._release()
            case "abandon":
                if self.is_held:
                    self._end("abandoned")
            case WatchFailed(error):
                self._watch_failure = error
                if self.state == "waiting":
                    self._fail("error", error)
            case Applied():
                self._applied(event.revision)
            case Conflicted():
                self._conflicted(event)
            case Failed():
                self._failed(event)
            case Refused():
                self._refused(event.because, event.error)

    @property
    def _is_acquiring(self) -> bool:
        return self.state in ("claiming", "confirming")

    def _claim(self) -> None:
        self._is_free = False
        if self._repeated is None:
            self._begin("claiming", "claim", 0, self._config.value)
        else:
            self._begin("claiming", "claim", 0, self._repeated.value, id_=self._repeated.id)

    def _renew(self, state: Literal["confirming", "renewing"], tries: int = 0) -> None:
        self._renew_at = NEVER
        self._begin(state, "renew", self.revision, self._config.value, tries=tries)

    def _begin(
        self,
        state: State,
        call: Literal["claim", "renew", "release"],
        expect: int,
        value: object = None,
        *,
        id_: str | None = None,
        tries: int = 0,
    ) -> None:
        self._stop()
        self.state = state
        self._send(_Write(call, id_ or self._new_id(), expect, value, self._now, tries))

    def _send(self, write: _Write) -> None:
        self._stop()
        self._requests += 1
        write.request = self._requests
        write.tries += 1
        # A connection may be dead without notice, so one try must not take all the time that is left.
        is_urgent = self.state in ("renewing", "releasing")
        write.next_at = self._now + self._config.ttl / 3 if is_urgent else NEVER
        self._write = write
        # A renewal that is sent again after a deletion has a revision that it no longer expects, so memX does not apply
        # it.
        if self.state != "releasing":
            self._written_until = self._now + self._config.ttl * (1 + DRIFT)
        self._actions.append(Send(write.request, write.call, write.id, write.expect, write.value))

    def _stop(self) -> None:
        if self._write is None or self._write.request is None:
            return
        self._write.request = None
        self._write.is_uncertain = True
        self._actions.append(Stop())

    def _proves(self, write: _Write) -> bool:
        """Returns whether the response to this write proves that the key is ours now."""
        return write.since >= self._suspended_at and self._now < self._valid_until(write.since)

    def _valid_until(self, since: float) -> float:
        return since + self._config.ttl * (1 - DRIFT)

    def _applied(self, revision: int) -> None:
        write = self._write
        assert write is not None
        if write.call == "release":
            self._done()
        elif self.state in ("releasing", "tracing"):
            self._give_back(revision)
        else:
            self.revision = revision
            if write.call == "claim":
                self.token = revision
            if self._proves(write) and not (write.call == "claim" and self._repeated is not None):
                self._hold(write)
            elif self.state == "renewing":
                self._renew("renewing")
            elif write.call == "renew" and write.tries > self._config.retries:
                self._reject("late")
            else:
                self._renew("confirming", write.tries if write.call == "renew" else 0)

    def _hold(self, write: _Write) -> None:
        if self.state != "renewing":
            self._actions.append(Resolve(self.token))
        self.state = "held"
        self._write = None
        self._is_in_doubt = False
        self._ends_at = self._valid_until(write.since)
        self._renew_at = write.since + self._config.ttl / 3

    def _conflicted(self, event: Conflicted) -> None:
        write = self._write
        assert write is not None
        current = event.current
        own = self._config.value if write.value is None else write.value
        is_own = self._config.is_unique and current is not None and current.value == own
        own_revision = current.revision if is_own and current is not None else None
        if self.state == "claiming":
            if own_revision is None:
                if write.is_uncertain:
                    self._repeated = Claim(write.id, write.value)
                self._wait(event.error)
            else:
                # memX applied an earlier try, and does not say when.
                self.token = self.revision = own_revision
                self._renew("confirming")
        elif self.state == "confirming":
            if own_revision is None:
                # The claim is over. Under the same Idempotency-Key, memX would say again that it applied it.
                self._repeated = None
                self._is_free = True
                if current is None and event.knows_current and not self._config.wait:
                    self._fail("late")
                else:
                    self._wait(event.error)
            else:
                self._applied(own_revision)
        elif self.state == "renewing":
            if own_revision is None:
                self._end("conflict", event.error)
            else:
                self._applied(own_revision)
        elif current is None and event.knows_current:
            self._done()
        elif own_revision is None:
            self._settle()
        else:
            self._give_back(own_revision)

    def _wait(self, error: BaseException) -> None:
        if not self._config.wait:
            self._fail("error", error)
        elif self._watch_failure is not None:
            self._fail("error", self._watch_failure)
        elif self._is_free:
            self._claim()
        else:
            self.state = "waiting"
            if not self._is_watching:
                self._actions.append(Watch())
            self._is_watching = True

    def _failed(self, event: Failed) -> None:
        write = self._write
        assert write is not None
        is_acquiring = self._is_acquiring
        longest = NEVER if is_acquiring else self._config.ttl / 10
        backoff = min(MAX_PAUSE, BASE_PAUSE * 2 ** min(write.tries - 1, 16), longest)
        write.next_at = self._now + event.retry_after + self._random() * backoff
        write.is_uncertain = write.is_uncertain or event.may_be_applied
        is_too_much = write.tries > self._config.retries or write.next_at > write.since + MAX_CLAIM
        if is_acquiring and is_too_much:
            self._reject("error", event.error)

    def _refused(self, because: Literal["refused", "broken"], error: BaseException) -> None:
        is_new_defect = because == "broken" and self._defect is None
        if is_new_defect:
            self._defect = error
        if self.state == "claiming":
            self._fail("error", error)
        elif self.state == "confirming":
            self._reject("error", error)
        elif self.state == "renewing":
            self._end(because, error)
        else:
            if self._is_release_awaited:
                self._actions.append(ReleaseFailed(error))
            elif is_new_defect:
                self._actions.append(Report(error))
            self._is_release_awaited = False
            self._done()

    def _fail(self, because: Failure, error: BaseException | None = None) -> None:
        """There is no lease, and memX has nothing of it."""
        self._actions.append(Reject(because, error))
        self._done()

    def _reject(self, because: Failure, error: BaseException | None = None) -> None:
        """There is no lease, but memX may have applied the claim."""
        self._actions.append(Reject(because, error))
        write = self._write
        if self.state == "confirming":
            self._give_back(self.revision)
        elif write is not None and (write.is_uncertain or write.request is not None):
            self.state = "tracing"
            # A try that is under way tells as much as another one.
            if because == "cancelled" and write.request is None:
                self._send(write)
            self._give_up_at = self._written_until
        else:
            self._done()

    def _end(self, because: EndReason, error: BaseException | None = None) -> None:
        """Ends a lease that is held."""
        self._actions.append(End(because, error))
        if because in ("conflict", "abandoned"):
            self._done()
        else:
            self._give_back(self.revision)

    def _release(self) -> None:
        if self.is_held:
            self._is_release_awaited = True
            self._end("released")
        elif self._defect is not None:
            self._actions.append(ReleaseFailed(self._defect))
        else:
            self._actions.append(Released())

    def _give_back(self, revision: int) -> None:
        """Deletes the key, which has this revision, or that of a renewal without a response."""
        self._stop()
        write = self._write
        if self.state != "releasing" and write is not None and write.call == "renew" and write.is_uncertain:
            self._unsettled = write
        self._give_up_at = self._written_until
        self._renew_at = NEVER
        if self._now < self._give_up_at:
            self._begin("releasing", "release", revision)
        else:
            self._done()

    def _settle(self) -> None:
        """The key has another revision than the deletion expects: perhaps that of a renewal without a response."""
        renewal, self._unsettled = self._unsettled, None
        # memX repeats its response, or refuses the renewal, because the renewal expects the same revision.
        if renewal is not None:
            self._send(renewal)
        else:
            self._done()

    def _done(self) -> None:
        self._stop()
        if self._is_release_awaited:
            self._actions.append(Released())
        self._is_release_awaited = False
        self._write = self._unsettled = None
        self._renew_at = self._give_up_at = NEVER
        self.state = "over"

    def _wake(self) -> None:
        if self._now >= self._ends_at and self.is_held:
            # So late, there may have been no chance to renew.
            if self._now > self._ends_at + MAX_LATENESS and not self._is_in_doubt:
                self._doubt(NEVER)
            else:
                self._end("expired")
        elif self._now >= self._renew_at:
            self._renew("renewing")
        else:
            if self._now >= self._ends_at and self._is_release_awaited:
                self._is_release_awaited = False
                self._actions.append(Released())
            if self._now >= self._give_up_at:
                self._done()
            elif self._write is not None and self._now >= self._write.next_at:
                self._send(self._write)

    def _doubt(self, ends_at: float) -> None:
        self._suspended_at = self._now
        self._ends_at = min(ends_at, self._now + min(MAX_DOUBT, self._config.ttl / 3))
        self._is_in_doubt = True
        # A renewal from before the suspension must be settled first, because the next one expects its revision.
        if self._write is not None:
            self._send(self._write)
        else:
            self._renew("renewing")


def read_failure(error: BaseException, request: int) -> Event:
    """Returns what the failure of a request means for the lease."""
    if not isinstance(error, MemxError):
        return Refused(request, error, "broken")
    if isinstance(error, ConflictError):
        return Conflicted(request, error.current_entry, error.knows_current, error)
    if is_final(error):
        return Refused(request, error)
    # memX counts requests before it looks at them.
    return Failed(request, error, error.retry_after or 0.0, may_be_applied=error.status != 429)
