"""One subscription of `MemX` as its consumer sees it: an iterator or a callback, a status, and an end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeAlias, TypeVar, cast

from ._delivery import Delivery, Reset
from ._errors import MemxError, TimeoutError
from ._models import SchemaEvent, Status, ValueEvent
from ._sync_feed import SyncFeed

logger = logging.getLogger("memx_sdk")

E = TypeVar("E", bound="ValueEvent[Any] | SchemaEvent")

OnStatus: TypeAlias = Callable[[Status, "MemxError | None"], object]
OnReset: TypeAlias = Callable[[int], object]

BATCH = 100
"""Events for one callback in a row, so that the other callbacks get their turn."""


class Subscription(Generic[E]):
    """Live changes, for a `for` loop or a callback.

    `close` and the end of a `with` block end a subscription. A lost connection does not: the client connects again and
    gets what it missed. The `with` block begins when the subscription is live, so it misses nothing that happens in the
    block.

    Example:
        >>> with memx.subscribe("agent:goal") as goals:
        ...     memx.set("agent:goal", {"x": 1})
        ...     for event in goals:
        ...         print(event.value)
        ...         break
    """

    def __init__(
        self,
        feed: SyncFeed,
        create: Callable[[Callable[[Delivery], None]], Delivery],
        callback: Callable[[E], object] | None,
        on_status: OnStatus | None,
        on_reset: OnReset | None,
        convert: Callable[[Any], E] | None = None,
    ) -> None:
        self._feed = feed
        self._convert = convert
        self._callback = callback
        self._on_status = on_status
        self._on_reset = on_reset
        self._condition = threading.Condition(feed.lock)
        self._is_scheduled = False
        self._reported: tuple[Status, MemxError | None] = ("connecting", None)
        self._delivery = create(self._notify)
        feed.add(self._delivery)

    @property
    def status(self) -> Status:
        """`connecting`, `live`, `behind`, or `closed`."""
        with self._feed.lock:
            return self._delivery.status

    @property
    def last_error(self) -> MemxError | None:
        """Why the last attempt to become live failed. None while the subscription is live."""
        return self._delivery.last_error

    @property
    def error(self) -> BaseException | None:
        """Why the subscription ended: memX refused it, or a callback raised. None if it was closed or goes on."""
        return self._delivery.error

    def wait_ready(self, timeout: float | None = None) -> None:
        """Waits until the subscription is live for the first time. It receives every change from then on.

        Args:
            timeout: The largest number of seconds to wait. None waits for as long as memX is away.

        Raises:
            TimeoutError: It was not live in time.
            MemxError: It ended before, for example because the API key may not read the key.
        """
        delivery = self._delivery
        with self._condition:
            if not self._condition.wait_for(lambda: delivery.was_live or delivery.state == "ended", timeout):
                message = f"The subscription was not live within {timeout:g} s. {delivery.last_error or ''}".strip()
                raise TimeoutError("timeout", message)
            if not delivery.was_live:
                raise delivery.error or MemxError("closed", "The subscription was closed before it was live.")

    def wait_closed(self, timeout: float | None = None) -> None:
        """Waits until the subscription has ended.

        Raises:
            TimeoutError: It did not end in time.
            MemxError: memX refused it. An exception of a callback is raised too.
        """
        with self._condition:
            if not self._condition.wait_for(lambda: self._delivery.state == "ended", timeout):
                raise TimeoutError("timeout", f"The subscription did not end within {timeout:g} s.")
        if self._delivery.error is not None:
            raise self._delivery.error

    def receive(self, timeout: float | None = None) -> E:
        """Waits for the next event.

        Args:
            timeout: The largest number of seconds to wait. None waits without an end.

        Raises:
            TimeoutError: No event arrived in time. The subscription goes on.
            MemxError: The subscription has ended.
        """
        try:
            return self._next(timeout)
        except StopIteration:
            raise MemxError("closed", "The subscription is closed.") from None

    def close(self) -> None:
        """Ends the subscription, and drops the events that the consumer has not read."""
        self._feed.remove(self._delivery)

    def __iter__(self) -> Subscription[E]:
        return self

    def __next__(self) -> E:
        return self._next(None)

    def __enter__(self) -> Subscription[E]:
        try:
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _next(self, timeout: float | None) -> E:
        if self._callback is not None:
            raise TypeError("The subscription has a callback, which receives its events. Subscribe again without one.")
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._condition:
                while (item := self._delivery.take()) is None:
                    if self._delivery.state == "ended":
                        if self._delivery.error is not None:
                            raise self._delivery.error
                        raise StopIteration
                    if self._delivery.jobs():
                        self._feed.wake()
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        raise TimeoutError("timeout", f"No event arrived within {timeout:g} s.")
                    self._condition.wait(left)
            if isinstance(item, Reset):
                self._reset(item.revision)
            else:
                return self._read(item.event)

    def _reset(self, revision: int) -> None:
        if self._on_reset is None:
            return
        try:
            self._on_reset(revision)
        except BaseException as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        self._feed.remove(self._delivery, error)

    def _read(self, event: ValueEvent[Any] | SchemaEvent) -> E:
        return cast("E", event) if self._convert is None else self._convert(event)

    def _notify(self, delivery: Delivery) -> None:
        # The feed's lock is taken, so no callback runs here.
        self._condition.notify_all()
        if self._on_status is not None:
            status = delivery.status
            error = delivery.error if status == "closed" else delivery.last_error
            report = (status, error if isinstance(error, MemxError) else None)
            if report != self._reported:
                self._reported = report
                self._feed.callbacks.put(lambda: self._report(*report))
        if self._callback is not None and not self._is_scheduled:
            self._is_scheduled = True
            self._feed.callbacks.put(self._run_callback)

    def _report(self, status: Status, error: MemxError | None) -> None:
        assert self._on_status is not None
        try:
            self._on_status(status, error)
        except Exception as raised:
            logger.error("on_status of a subscription raised an exception.", exc_info=raised)
            self._fail(raised)

    def _run_callback(self) -> None:
        assert self._callback is not None
        for _ in range(BATCH):
            with self._feed.lock:
                item = self._delivery.take()
                if item is None:
                    self._is_scheduled = False
                    if self._delivery.jobs():
                        self._feed.wake()
                    return
            try:
                if isinstance(item, Reset):
                    self._reset(item.revision)
                else:
                    self._callback(self._read(item.event))
            except Exception as raised:
                logger.error("The callback of a subscription raised an exception.", exc_info=raised)
                self._fail(raised)
                return
        self._feed.callbacks.put(self._run_callback)
