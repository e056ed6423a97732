"""The state of one subscription: puts live changes and the changes that memX replays into a queue, each once, in order.

It does no I/O and has no clock or lock of its own. `Feed` drives it, and the two clients read its queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from ._errors import MemxError
from ._models import ChangesPage, EventFilter, SchemaEvent, Status, ValueEvent
from ._responses import is_final
from ._retry import backoff

Event: TypeAlias = "ValueEvent[Any] | SchemaEvent"

MAX_CHARS = 8 * 1024 * 1024
"""Of all events that wait for a consumer: values may be large."""


MAX_READ_KEYS = 1_000
"""`POST /read` takes no more."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A marker in the queue: the consumer must forget what it has."""

    revision: int


@dataclass(frozen=True, slots=True)
class Buffered:
    event: Event
    chars: int
    """The length of the event's text."""


Item = TypeVar("Item", bound="Buffered | Reset")


class Buffer(Generic[Item]):
    """Events in memory, bounded by their number and by their size."""

    def __init__(self, max_items: int) -> None:
        self.items: deque[Item] = deque()
        self._max_items = max_items
        self._chars = 0

    def has_room_for(self, item: Buffered) -> bool:
        """Returns whether one more event stays within the bounds. `push` does not check it."""
        return len(self.items) < self._max_items and self._chars + item.chars <= MAX_CHARS

    def push(self, item: Item) -> None:
        self.items.append(item)
        self._chars += _chars(item)

    def shift(self) -> Item | None:
        if not self.items:
            return None
        item = self.items.popleft()
        self._chars -= _chars(item)
        return item

    def clear(self) -> None:
        self.items.clear()
        self._chars = 0


def _chars(item: Buffered | Reset) -> int:
    return item.chars if isinstance(item, Buffered) else 0


State: TypeAlias = Literal["joining", "catching up", "live", "behind", "ended"]
"""
- joining: the feed does not serve the subscription yet.
- catching up: a page of changes is on its way from memX, and live events wait for it.
- live: live events go into the queue.
- behind: the queue is full. Events are dropped until the consumer has read the queue, and then caught up.
"""


@dataclass(slots=True)
class Job:
    """A request that a subscription needs. `due` is the monotonic time from which on it may be sent."""

    kind: Literal["catch up", "check access"]
    since: int = 0
    """The revision to begin after, or the place of the first key to check."""
    due: float = 0.0
    failures: int = 0
    sent: bool = False


class Delivery:
    """One subscription.

    Args:
        patterns: What to ask memX for. Its events may match more than the subscription wants.
        wants_key: Whether the subscription wants the changes of a key.
        keys: The keys to check for the right to read them. Empty for patterns, which match only what may be read.
        since: The revision to begin after. 0 for a snapshot, None for now.
        max_events: For how many events the queue has room, and a catch-up for live events.
        notify: Called when the queue, the status, or the last error has changed. It must not block.
    """

    def __init__(
        self,
        patterns: list[str],
        wants_key: Callable[[str], bool],
        *,
        keys: list[str],
        event: EventFilter,
        since: int | None,
        max_events: int,
        notify: Callable[[Delivery], None],
    ) -> None:
        self.patterns: list[str] = patterns
        self.filter: EventFilter = event
        self.keys: list[str] = keys
        self.queue: Buffer[Buffered | Reset] = Buffer(max_events)
        self.state: State = "joining"
        self.error: BaseException | None = None
        """Why the subscription ended. None if it was closed."""
        self.last_error: MemxError | None = None
        """Why the last attempt to become live failed."""
        self.was_live: bool = False
        self.catch_up: Job | None = None
        self.access: Job | None = Job("check access") if keys else None
        self.refreshing: Job | None = None
        self._wants_key = wants_key
        self._since = since
        self._max_events = max_events
        self._notify = notify
        self._connected = False
        # Every wanted change up to this revision is in the queue, or was. Set on leaving `joining`.
        self._cursor = 0
        # Live events that arrived during a catch-up. None if one of them is missing.
        self._arrived: Buffer[Buffered] | None = None

    @property
    def status(self) -> Status:
        if self.state == "ended":
            return "closed"
        if self.state == "behind":
            return "behind"
        is_live = self.state == "live" and self._connected and self.access is None
        return "live" if is_live else "connecting"

    @property
    def cursor(self) -> int:
        """Every wanted change up to this revision is in the queue, or was."""
        return self._cursor

    def refresh(self) -> None:
        """Makes a request for what memX has. It moves the cursor past changes that the subscription does not want."""
        if self.state == "live" and self.refreshing is None:
            self.refreshing = Job("catch up", since=self._cursor)

    def joined(self, revision: int) -> None:
        """The feed delivers every change after `revision` from now on."""
        self._connected = True
        if self.state == "live":
            self._cursor = max(self._cursor, revision)
        elif self.state == "joining":
            self._cursor = revision if self._since is None else self._since
            if self._since is None:
                self.state = "live"
            else:
                self._begin_catch_up()
        self._changed()

    def missed(self) -> None:
        """The feed may have skipped changes."""
        if self.state == "live":
            self._begin_catch_up()
        elif self.state == "catching up":
            # The page that is on its way may end before what the feed skipped.
            self._arrived = None

    def disconnected(self, error: MemxError | None) -> None:
        """The client has no socket at present."""
        self._connected = False
        self.failed(error)

    def failed(self, error: MemxError | None) -> None:
        """An attempt to become live failed, and another one follows."""
        if self.status != "live" and error is not None:
            self.last_error = error
        self._changed()

    def deliver(self, event: Event, chars: int) -> None:
        """Takes a live event, which the subscription may not want or may have had."""
        if self.state not in ("live", "catching up") or not self._wants(event):
            return
        item = Buffered(event, chars)
        if self.state == "live":
            self._accept(item)
        elif self._arrived is not None and self._arrived.has_room_for(item):
            self._arrived.push(item)
        else:
            self._arrived = None

    def take(self) -> Buffered | Reset | None:
        """Takes the next item of the queue. An empty queue makes a subscription that is behind catch up."""
        item = self.queue.shift()
        if item is None and self.state == "behind":
            self._begin_catch_up()
            self._changed()
        return item

    def jobs(self) -> list[Job]:
        """Returns the requests that are not on their way."""
        return [job for job in (self.access, self.catch_up, self.refreshing) if job is not None and not job.sent]

    def send(self, job: Job) -> None:
        """The request of a job is sent now."""
        job.sent = True
        if job is self.catch_up:
            # Whatever arrived before this request, its page has.
            self._arrived = Buffer(self._max_events)

    def succeeded(self, job: Job, page: ChangesPage | None) -> None:
        """The request of a job succeeded. A catch-up has a page."""
        if job is self.access:
            following = job.since + MAX_READ_KEYS
            self.access = Job("check access", since=following) if following < len(self.keys) else None
        elif job is self.catch_up and page is not None:
            self._take_page(page)
            if self._arrived is None:
                self.catch_up = Job("catch up", since=self._cursor)
            else:
                self._go_live(self._arrived)
        elif job is self.refreshing and page is not None:
            self.refreshing = None
            self._take_refresh(page)
        self._changed()

    def job_failed(self, job: Job, error: BaseException, now: float) -> None:
        """The request of a job failed."""
        if job is self.refreshing:
            self.refreshing = None
        if job is not self.access and job is not self.catch_up:
            return
        if job is self.access and isinstance(error, MemxError) and error.code == "too_large":
            # memX checks the right to read before it reads.
            self.succeeded(job, None)
            return
        if not isinstance(error, MemxError) or is_final(error):
            self.end(error)
            return
        job.sent = False
        job.due = now + (error.retry_after or 0.0) + backoff(job.failures)
        job.failures += 1
        self.failed(error)

    def end(self, error: BaseException | None) -> None:
        """Ends the subscription. Events that wait can still be read."""
        if self.state == "ended":
            return
        self.state = "ended"
        self.error = error
        self.catch_up = self.access = self.refreshing = self._arrived = None
        self._changed()

    def _wants(self, event: Event) -> bool:
        return self.filter in ("all", event.event) and self._wants_key(event.key)

    def _accept(self, item: Buffered) -> None:
        if item.event.revision <= self._cursor:
            return
        # An event that is too large by itself must still pass.
        if self.queue.items and not self.queue.has_room_for(item):
            self.state = "behind"
        else:
            self._cursor = item.event.revision
            self.queue.push(item)
        self._changed()

    def _begin_catch_up(self) -> None:
        self.state = "catching up"
        self._arrived = None
        self.catch_up = Job("catch up", since=self._cursor)

    def _take_page(self, page: ChangesPage) -> None:
        if page.reset and self._cursor != 0:
            self.queue.push(Reset(page.revision))
        since = 0 if page.reset else self._cursor
        for event, chars in page.changes:
            # The request's patterns may be wider than the subscription's.
            if event.revision > since and self._wants(event):
                self.queue.push(Buffered(event, chars))
        self._cursor = page.revision

    def _take_refresh(self, page: ChangesPage) -> None:
        if self.state != "live" or page.revision <= self._cursor:
            return
        if page.reset:
            self._begin_catch_up()
            return
        for event, chars in page.changes:
            if self.state == "live" and self._wants(event):
                self._accept(Buffered(event, chars))
        if self.state == "live":
            self._cursor = page.revision

    def _go_live(self, arrived: Buffer[Buffered]) -> None:
        self.catch_up = self._arrived = None
        self.state = "live"
        # The first event that does not fit makes the state `behind`; the next catch-up reads the rest.
        for item in arrived.items:
            if self.state == "live":
                self._accept(item)

    def _changed(self) -> None:
        if self.status == "live":
            self.was_live = True
            self.last_error = None
        self._notify(self)
