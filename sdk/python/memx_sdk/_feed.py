"""The live changes of one client, as a state machine: all its subscriptions share one socket.

A new subscription opens a new socket, which begins at the revision of the old one and replaces it once it is ready, so
no subscription misses a change. A subscription drops a change that it receives twice, by its revision.
docs/decisions/0020 has the reasons. The machine does no I/O: a client passes in what happens with the monotonic time,
runs the actions in `actions`, and calls `tick` at `next_tick`.
"""

from __future__ import annotations

import base64
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ._calls import Call, changes, check_access, target
from ._delivery import MAX_READ_KEYS, Delivery, Event, Job
from ._errors import MemxError, NetworkError
from ._glob import merge_patterns
from ._json import Decoder
from ._models import ChangesPage
from ._options import Options
from ._reads import Reads
from ._responses import Ready, Reset, is_final, read_frame, read_refusal
from ._retry import backoff

logger = logging.getLogger("memx_sdk")

SUBPROTOCOL = "memx.v1"

PING_AFTER_CHARS = 32 * 1024
"""memX expects a ping after this many characters, as a sign that the client has read them."""


@dataclass(eq=False, slots=True)
class Connection:
    """One socket, from its handshake on."""

    query: str
    since: int | None
    members: frozenset[Delivery]
    silent_at: float | None
    """When the socket counts as dead, if nothing arrives until then. None if no response is due."""
    ping_at: float
    is_heard: bool = False
    """It is open, and memX listens: a long replay comes before `ready`, and waits for pings as everything else does."""
    is_ready: bool = False
    is_pinged: bool = False
    is_resetting: bool = False
    """Between `reset` and `ready` the socket sends a snapshot. The feed drops it: each member fetches what it needs."""
    unconfirmed: int = 0
    has_ended: bool = False
    socket: Any = None
    """What the client keeps for this connection."""

    @property
    def target(self) -> str:
        """Path and query of the socket."""
        return self.query if self.since is None else f"{self.query}&since={self.since}"


@dataclass(frozen=True, slots=True)
class Open:
    """Open a socket for the connection."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Ping:
    """Send `ping` on the connection's socket."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection's socket. Nothing that happens to it matters any more."""

    connection: Connection
    is_dead: bool
    """Whether the socket cannot be closed in the ordinary way."""


@dataclass(frozen=True, slots=True)
class Request:
    """Send the request of a job."""

    member: Delivery
    job: Job


Action: TypeAlias = "Open | Ping | Drop | Request"


@dataclass(slots=True)
class Feed:
    """The machine. `actions` is what the client must do."""

    options: Options
    decoder: Decoder
    reads: Reads
    actions: deque[Action] = field(default_factory=deque[Action])
    _members: set[Delivery] = field(default_factory=set[Delivery])
    # The connection that is ready, and the one that will replace it.
    _current: Connection | None = None
    _next: Connection | None = None
    # Every change up to this revision was delivered to all joined members. The next socket begins here.
    _position: int | None = None
    _failures: int = 0
    _pause_until: float | None = None
    is_stale: bool = False
    """Whether to call `tick` at once."""
    _has_warned: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to wait for."""
        return not self._members and self._current is None and self._next is None

    @property
    def members(self) -> list[Delivery]:
        """The subscriptions that the feed serves."""
        return list(self._members)

    def add(self, member: Delivery) -> None:
        """Serves a subscription. Takes effect at the next `tick`, so subscriptions added at once share a socket."""
        self._members.add(member)
        self.is_stale = True

    def remove(self, member: Delivery, error: BaseException | None = None, *, drop: bool = False) -> None:
        """Ends a subscription. With `drop`, events that wait for the consumer are lost."""
        if drop:
            member.queue.clear()
        member.end(error)
        self._members.discard(member)
        self.is_stale = True

    def next_tick(self) -> float | None:
        """Returns the monotonic time of the next `tick`, or None if only something else can happen next."""
        if self.is_stale:
            return 0.0
        times = [self._pause_until]
        for connection in (self._current, self._next):
            if connection is not None:
                times += [connection.silent_at, connection.ping_at]
        times += [job.due for member in self._members for job in member.jobs()]
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> None:
        """Does what is due."""
        for connection in (self._current, self._next):
            if connection is None:
                continue
            if connection.silent_at is not None and now >= connection.silent_at:
                seconds = self.options.ping_timeout
                error = NetworkError("network", f"Nothing arrived on the socket for {seconds:g} s.")
                self._end(connection, None, error, now, is_dead=True)
            elif now >= connection.ping_at:
                connection.ping_at = now + self.options.ping_interval
                self._ping(connection, now)
        if self._pause_until is not None and now >= self._pause_until:
            self._pause_until = None
            self.is_stale = True
        for member in self.members:
            if member.state == "ended":
                self.remove(member, member.error)
                continue
            for job in member.jobs():
                if now >= job.due:
                    member.send(job)
                    self.actions.append(Request(member, job))
        if self.is_stale:
            self.is_stale = False
            self._reconcile(now)

    def frame(self, connection: Connection, text: str, now: float) -> None:
        """A frame arrived."""
        if connection.has_ended:
            return
        connection.is_heard = True
        if text == "pong":
            connection.is_pinged = False
        elif not self._read(connection, text, now):
            return
        # Any frame is a sign of life: the response may be behind megabytes of events.
        is_due = connection.is_pinged or not connection.is_ready
        connection.silent_at = now + self.options.ping_timeout if is_due else None

    def ended(self, connection: Connection, close_code: int | None, reason: str, error: MemxError, now: float) -> None:
        """The socket closed, or could not be opened. `close_code` is None if there was no close frame."""
        refusal = None if close_code is None else read_refusal(close_code, reason)
        self._end(connection, refusal, error, now, is_dead=True)

    def succeeded(self, member: Delivery, job: Job, page: ChangesPage | None) -> None:
        """The request of a job succeeded."""
        member.succeeded(job, page)

    def failed(self, member: Delivery, job: Job, error: BaseException, now: float) -> None:
        """The request of a job failed."""
        if isinstance(error, MemxError) and not is_final(error):
            self._warn(error)
        member.job_failed(job, error, now)
        if member.state == "ended":
            self.remove(member, member.error)

    def close(self) -> None:
        """Ends all subscriptions."""
        for member in self.members:
            self.remove(member, drop=True)

    def _reconcile(self, now: float) -> None:
        if not self._members:
            self._rest()
            return
        if self._next is not None or self._pause_until is not None:
            return  # Runs again when that is over.
        if (
            self._current is not None
            and self._current.query == self._query()
            and self._members <= self._current.members
        ):
            return
        # A response is due: `ready`.
        silent_at, ping_at = now + self.options.ping_timeout, now + self.options.ping_interval
        members = frozenset(self._members)
        self._next = Connection(self._query(), self._position, members, silent_at, ping_at)
        self.actions.append(Open(self._next))

    def _rest(self) -> None:
        for connection in (self._next, self._current):
            if connection is not None:
                self._drop(connection, is_dead=False)
        self._next = self._current = self._position = self._pause_until = None
        self._failures = 0

    def _query(self) -> str:
        filters = {member.filter for member in self._members}
        event: str = filters.pop() if len(filters) == 1 else "all"
        patterns = merge_patterns(pattern for member in self._members for pattern in member.patterns)
        return target("/watch", event=event, pattern=patterns)

    def _ping(self, connection: Connection, now: float) -> None:
        if not connection.is_heard or connection.is_pinged:
            return
        connection.is_pinged = True
        connection.unconfirmed = 0
        connection.silent_at = now + self.options.ping_timeout
        self.actions.append(Ping(connection))

    def _read(self, connection: Connection, text: str, now: float) -> bool:
        """Reads a frame. Returns False if that ended the connection."""
        try:
            frame = read_frame(text, self.decoder)
        except ValueError:
            error = NetworkError("network", "The socket sent a frame that does not come from memX.")
            self._end(connection, None, error, now, is_dead=False)
            return False
        if isinstance(frame, Ready):
            connection.is_ready = True
            self._make_current(connection, frame.revision)
        elif isinstance(frame, Reset):
            connection.is_resetting = True
        elif frame is not None:
            self._deliver(connection, frame, len(text))
        connection.unconfirmed += len(text)
        if connection.unconfirmed >= PING_AFTER_CHARS:
            self._ping(connection, now)
        return True

    def _deliver(self, connection: Connection, event: Event, chars: int) -> None:
        self.reads.note(event.revision)
        if connection.is_resetting:
            return
        if self._position is not None:
            self._position = max(self._position, event.revision)
        for member in self._members:
            member.deliver(event, chars)

    def _make_current(self, connection: Connection, revision: int) -> None:
        if connection is self._next:
            if self._current is not None:
                self._drop(self._current, is_dead=False)
            self._current, self._next = connection, None
            self._failures = 0
            if self._has_warned:
                self._has_warned = False
                logger.info("The subscriptions are connected to memX again.")
        self.reads.note(revision)
        # May also go back: new members have received nothing of what the old socket was ahead.
        self._position = revision
        was_resetting, connection.is_resetting = connection.is_resetting, False
        for member in connection.members & self._members:
            if was_resetting:
                member.missed()
            member.joined(revision)
        self.is_stale = True

    def _end(
        self, connection: Connection, refusal: MemxError | None, error: MemxError, now: float, *, is_dead: bool
    ) -> None:
        if connection.has_ended:
            return
        self._drop(connection, is_dead=is_dead)
        if connection is self._next:
            self._next = None
        if connection is self._current:
            self._current = None
        if refusal is None or not self._refuse(connection, refusal):
            self._warn(error)
            served = self._current.members if self._current is not None else frozenset[Delivery]()
            for member in self._members - served:
                if self._current is None:
                    member.disconnected(error)
                else:
                    member.failed(error)
            if self._pause_until is None:
                self._pause_until = now + (error.retry_after or 0.0) + backoff(self._failures)
                self._failures += 1
        self.is_stale = True

    def _refuse(self, connection: Connection, refusal: MemxError) -> bool:
        """Fails the new members, one of which may be the cause. If there are none, all members of the socket.

        Returns False if one of them may read its keys for all that the client knows: memX responds to that with more
        than a close code.
        """
        served = self._current.members if self._current is not None else connection.members
        refused = ((connection.members - served) or connection.members) & self._members
        if any(member.access is not None for member in refused):
            return False
        for member in refused:
            self.remove(member, refusal)
        return True

    def _drop(self, connection: Connection, *, is_dead: bool) -> None:
        connection.has_ended = True
        self.actions.append(Drop(connection, is_dead))

    def _warn(self, error: MemxError) -> None:
        # Once for each outage.
        if not self._has_warned:
            self._has_warned = True
            logger.warning("The subscriptions cannot reach memX, and try again until they can: %s", error)


def call_of(member: Delivery, job: Job) -> Call[ChangesPage | None]:
    """Returns the call of a job. A catch-up results in a page."""
    if job.kind == "check access":
        return check_access(member.keys[job.since : job.since + MAX_READ_KEYS])
    return changes(merge_patterns(member.patterns), member.filter, job.since)


def subprotocols(protocol: str, api_key: str | None) -> list[str]:
    """Returns the subprotocols of a socket. They carry the API key, as in a browser: so it may have any characters."""
    if api_key is None:
        return [protocol]
    encoded = base64.urlsafe_b64encode(api_key.encode()).decode().rstrip("=")
    return [protocol, f"memx.key.{encoded}"]
