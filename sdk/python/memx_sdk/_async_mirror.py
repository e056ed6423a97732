"""A mirror of `AsyncMemX`: the current entries of all keys that match, read without a call."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from ._async_feed import AsyncFeed
from ._async_subscription import AsyncSubscription
from ._delivery import Delivery
from ._errors import MemxError, TimeoutError
from ._mirror import MirrorListener
from ._mirror_core import MirrorCore, pause_before_asking
from ._models import Entry, Status
from ._subscription import OnStatus
from ._wanted import Create

logger = logging.getLogger("memx_sdk")

T = TypeVar("T")


class AsyncMirror(Generic[T]):
    """The current entries of all keys that match, kept equal to the memory.

    `close` and the end of an `async with` block end it. Do not change the values: every reader gets the same ones.

    Example:
        >>> async with await memx.mirror("agent:*") as mirror:
        ...     goal = mirror.get("agent:goal")
        ...     print(len(mirror), goal)
    """

    _delivery: Delivery

    def __init__(self, feed: AsyncFeed, create: Create, core: MirrorCore, on_status: OnStatus | None) -> None:
        self._feed = feed
        self._core = core
        self._changed = asyncio.Event()
        self._listeners: list[MirrorListener] = []

        def create_own(notify: Callable[[Delivery], None]) -> Delivery:
            def take(delivery: Delivery) -> None:
                self._take(delivery)
                notify(delivery)

            self._delivery = create(take)
            return self._delivery

        self._subscription: AsyncSubscription[Any] = AsyncSubscription(feed, create_own, None, on_status, None)

    async def wait_ready(self, timeout: float | None = None) -> None:
        """Waits until the mirror is complete.

        Raises:
            TimeoutError: It was not complete in time.
            MemxError: It ended before.
        """
        await self._subscription.wait_ready(timeout)
        # It may have been complete, and too large.
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
        end = self._core.end
        return None if isinstance(end, MemxError) and end.code == "closed" else end

    @property
    def revision(self) -> int:
        """The mirror is equal to the memory as it was after this change."""
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
        return self._core.get(key)

    def entries(self) -> Iterator[tuple[str, Entry[T]]]:
        """Iterates over all keys with their entries at one moment, in no particular order.

        Raises:
            MemxError: The mirror has ended.
        """
        return iter(self._core.entries())

    async def at(self, revision: int, timeout: float | None = None) -> None:
        """Waits until the mirror is at least as new as a revision, for example that of a write of another program.

        Raises:
            TimeoutError: It was not that new in time.
            MemxError: The mirror ended before.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
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
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(ask_at, deadline or ask_at) - now)

    def on_change(self, listener: MirrorListener) -> Callable[[], None]:
        """Calls the listener with each key that changes, after the mirror has changed.

        After a reset, that is each key whose entry is another one. If it raises, the mirror ends with that error.
        Returns a function that ends this.
        """

        # One of its own, so that the same function can listen twice.
        def own(key: str, entry: Entry[Any] | None) -> object:
            return listener(key, entry)

        def stop() -> None:
            if own in self._listeners:
                self._listeners.remove(own)

        self._listeners.append(own)
        return stop

    async def close(self) -> None:
        """Ends the mirror. Reading it raises from then on."""
        await self._subscription.close()

    def __len__(self) -> int:
        return self._core.size()

    async def __aenter__(self) -> AsyncMirror[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _take(self, delivery: Delivery) -> None:
        changes = self._core.take(delivery)
        # Whoever waits looks again; whoever comes later waits for the next change.
        self._changed.set()
        self._changed = asyncio.Event()
        try:
            for key, entry in changes.items():
                for listener in list(self._listeners):
                    listener(key, entry)
        except Exception as raised:
            logger.error("A listener of a mirror raised an exception.", exc_info=raised)
            self._core.close(raised)
            delivery.end(raised)
