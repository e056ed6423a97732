"""A mirror of `MemX`: the current entries of all keys that match, read without a call."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeAlias, TypeVar

from ._delivery import Delivery
from ._errors import MemxError, TimeoutError
from ._mirror_core import MirrorCore, pause_before_asking
from ._models import Entry, Status
from ._subscription import OnStatus, Subscription
from ._sync_feed import SyncFeed
from ._wanted import Create

logger = logging.getLogger("memx_sdk")

T = TypeVar("T")

MirrorListener: TypeAlias = Callable[[str, "Entry[Any] | None"], object]
"""Gets a key that has changed, and its entry, None if the key holds nothing now."""


class Mirror(Generic[T]):
    """The current entries of all keys that match, kept equal to the memory. Several threads may read it.

    `close` and the end of a `with` block end it. Do not change the values: every reader gets the same ones.

    Example:
        >>> with memx.mirror("agent:*") as mirror:
        ...     goal = mirror.get("agent:goal")
        ...     print(len(mirror), goal)
    """

    _delivery: Delivery

    def __init__(self, feed: SyncFeed, create: Create, core: MirrorCore, on_status: OnStatus | None) -> None:
        self._feed = feed
        self._core = core
        self._changed = threading.Condition(feed.lock)
        self._listeners: list[MirrorListener] = []

        def create_own(notify: Callable[[Delivery], None]) -> Delivery:
            def take(delivery: Delivery) -> None:
                self._take(delivery)
                notify(delivery)

            self._delivery = create(take)
            return self._delivery

        self._subscription: Subscription[Any] = Subscription(feed, create_own, None, on_status, None)

    def wait_ready(self, timeout: float | None = None) -> None:
        """Waits until the mirror is complete.

        Raises:
            TimeoutError: It was not complete in time.
            MemxError: It ended before.
        """
        self._subscription.wait_ready(timeout)
        # It may have been complete, and too large.
        with self._feed.lock:
            self._core.check_open()

    @property
    def status(self) -> Status:
        """While it is not `live`, the mirror holds what it held last."""
        return self._subscription.status

    @property
    def last_error(self) -> MemxError | None:
        """Why the last attempt to become live failed. None while the mirror is live."""
        return self._subscription.last_error

    @property
    def error(self) -> BaseException | None:
        """Why the mirror ended: it was refused or full, or a listener raised. None if it was closed or goes on."""
        with self._feed.lock:
            end = self._core.end
        return None if isinstance(end, MemxError) and end.code == "closed" else end

    @property
    def revision(self) -> int:
        """The mirror is equal to the memory as it was after this change."""
        with self._feed.lock:
            return self._core.revision

    def covers(self, key: str) -> bool:
        """Returns whether a key matches the mirror's patterns."""
        return self._core.covers(key)

    def get(self, key: str) -> Entry[T] | None:
        """Returns a key's entry. None if the key holds nothing, or if the API key may not read it.

        Raises:
            InvalidRequestError: The key matches none of the mirror's patterns.
            MemxError: The mirror has ended.
        """
        with self._feed.lock:
            return self._core.get(key)

    def entries(self) -> Iterator[tuple[str, Entry[T]]]:
        """Iterates over all keys with their entries at one moment, in no particular order.

        Raises:
            MemxError: The mirror has ended.
        """
        with self._feed.lock:
            return iter(self._core.entries())

    def at(self, revision: int, timeout: float | None = None) -> None:
        """Waits until the mirror is at least as new as a revision, for example that of a write of another program.

        Raises:
            TimeoutError: It was not that new in time.
            MemxError: The mirror ended before.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            attempt = 0
            ask_at = time.monotonic() + pause_before_asking(attempt)
            while not self._core.is_at(revision):
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    raise TimeoutError("timeout", f"The mirror was not at revision {revision} within {timeout:g} s.")
                if now >= ask_at:
                    self._delivery.refresh()
                    self._feed.wake()
                    attempt += 1
                    ask_at = now + pause_before_asking(attempt)
                self._changed.wait(min(ask_at, deadline or ask_at) - now)

    def on_change(self, listener: MirrorListener) -> Callable[[], None]:
        """Calls the listener with each key that changes, on a thread of the client, after the mirror has changed.

        After a reset, that is each key whose entry is another one. If it raises, the mirror ends with that error.
        Returns a function that ends this.
        """

        # One of its own, so that the same function can listen twice.
        def own(key: str, entry: Entry[Any] | None) -> object:
            return listener(key, entry)

        def stop() -> None:
            with self._feed.lock:
                if own in self._listeners:
                    self._listeners.remove(own)

        with self._feed.lock:
            self._listeners.append(own)
        return stop

    def close(self) -> None:
        """Ends the mirror. Reading it raises from then on."""
        self._subscription.close()

    def __len__(self) -> int:
        with self._feed.lock:
            return self._core.size()

    def __enter__(self) -> Mirror[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, delivery: Delivery) -> None:
        # The feed's lock is taken, so no listener runs here.
        changes = self._core.take(delivery)
        self._changed.notify_all()
        if changes and self._listeners:
            self._feed.callbacks.put(lambda: self._tell(changes))

    def _tell(self, changes: dict[str, Entry[Any] | None]) -> None:
        try:
            for key, entry in changes.items():
                with self._feed.lock:
                    listeners = [] if self._core.end is not None else list(self._listeners)
                for listener in listeners:
                    listener(key, entry)
        except Exception as raised:
            logger.error("A listener of a mirror raised an exception.", exc_info=raised)
            self._feed.remove(self._delivery, raised)
