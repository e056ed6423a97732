"""One subscription of `AsyncMemX` as its consumer sees it: an iterator or a callback, a status, and an end."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from ._async_feed import AsyncFeed
from ._delivery import Delivery, Reset
from ._errors import MemxError, TimeoutError
from ._models import SchemaEvent, Status, ValueEvent
from ._subscription import OnReset, OnStatus

logger = logging.getLogger("memx_sdk")

E = TypeVar("E", bound="ValueEvent[Any] | SchemaEvent")


class AsyncSubscription(Generic[E]):
    """Live changes, for an `async for` loop or a callback.

    `close` and the end of an `async with` block end a subscription. A lost connection does not: the client connects
    again and gets what it missed. The block begins when the subscription is live, so it misses nothing that happens in
    the block.

    Example:
        >>> async with memx.subscribe("agent:goal") as goals:
        ...     await memx.set("agent:goal", {"x": 1})
        ...     async for event in goals:
        ...         print(event.value)
        ...         break
    """

    def __init__(
        self,
        feed: AsyncFeed,
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
        self._waiters: set[asyncio.Future[None]] = set()
        self._reported: tuple[Status, MemxError | None] = ("connecting", None)
        self._reports: deque[tuple[Status, MemxError | None]] = deque()
        self._is_reporting = False
        self._delivery = create(self._notify)
        feed.add(self._delivery)
        if callback is not None:
            feed.spawn(self._run_callback(callback))

    @property
    def status(self) -> Status:
        """`connecting`, `live`, `behind`, or `closed`."""
        return self._delivery.status

    @property
    def last_error(self) -> MemxError | None:
        """Why the last attempt to become live failed. None while the subscription is live."""
        return self._delivery.last_error

    @property
    def error(self) -> BaseException | None:
        """Why the subscription ended: memX refused it, or a callback raised. None if it was closed or goes on."""
        return self._delivery.error

    async def wait_ready(self, timeout: float | None = None) -> None:
        """Waits until the subscription is live for the first time. It receives every change from then on.

        Args:
            timeout: The largest number of seconds to wait. None waits for as long as memX is away.

        Raises:
            TimeoutError: It was not live in time.
            MemxError: It ended before, for example because the API key may not read the key.
        """
        delivery = self._delivery
        if not await self._wait_for(lambda: delivery.was_live or delivery.state == "ended", timeout):
            message = f"The subscription was not live within {timeout:g} s. {delivery.last_error or ''}".strip()
            raise TimeoutError("timeout", message)
        if not delivery.was_live:
            raise delivery.error or MemxError("closed", "The subscription was closed before it was live.")

    async def wait_closed(self, timeout: float | None = None) -> None:
        """Waits until the subscription has ended.

        Raises:
            TimeoutError: It did not end in time.
            MemxError: memX refused it. An exception of a callback is raised too.
        """
        if not await self._wait_for(lambda: self._delivery.state == "ended", timeout):
            raise TimeoutError("timeout", f"The subscription did not end within {timeout:g} s.")
        if self._delivery.error is not None:
            raise self._delivery.error

    async def receive(self, timeout: float | None = None) -> E:
        """Waits for the next event.

        Args:
            timeout: The largest number of seconds to wait. None waits without an end.

        Raises:
            TimeoutError: No event arrived in time. The subscription goes on.
            MemxError: The subscription has ended.
        """
        try:
            return await self._next(timeout)
        except StopAsyncIteration:
            raise MemxError("closed", "The subscription is closed.") from None

    async def close(self) -> None:
        """Ends the subscription, and drops the events that the consumer has not read."""
        self._feed.remove(self._delivery)

    def __aiter__(self) -> AsyncSubscription[E]:
        return self

    async def __anext__(self) -> E:
        return await self._next(None)

    async def __aenter__(self) -> AsyncSubscription[E]:
        try:
            await self.wait_ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _next(self, timeout: float | None) -> E:
        if self._callback is not None:
            raise TypeError("The subscription has a callback, which receives its events. Subscribe again without one.")
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            item = self._delivery.take()
            if item is None:
                if self._delivery.state == "ended":
                    if self._delivery.error is not None:
                        raise self._delivery.error
                    raise StopAsyncIteration
                if self._delivery.jobs():
                    self._feed.wake()  # The subscription must catch up.
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError("timeout", f"No event arrived within {timeout:g} s.")
                await self._wait(left)
            elif isinstance(item, Reset):
                try:
                    await self._reset(item.revision)
                except Exception as error:
                    self._feed.remove(self._delivery, error)
                    raise
            else:
                return self._read(item.event)

    async def _reset(self, revision: int) -> None:
        if self._on_reset is not None:
            await _settle(self._on_reset(revision))

    async def _wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not condition():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            await self._wait(left)
        return True

    async def _wait(self, seconds: float | None) -> None:
        """Waits until something has changed, or for so many seconds."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._waiters.discard(waiter)

    def _read(self, event: ValueEvent[Any] | SchemaEvent) -> E:
        return cast("E", event) if self._convert is None else self._convert(event)

    def _notify(self, delivery: Delivery) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self._on_status is None:
            return
        status = delivery.status
        error = delivery.error if status == "closed" else delivery.last_error
        report = (status, error if isinstance(error, MemxError) else None)
        if report == self._reported:
            return
        self._reported = report
        self._reports.append(report)
        if not self._is_reporting:
            self._is_reporting = True
            self._feed.spawn(self._report())

    async def _report(self) -> None:
        assert self._on_status is not None
        try:
            while self._reports:
                await _settle(self._on_status(*self._reports.popleft()))
        except Exception as raised:
            logger.error("on_status of a subscription raised an exception.", exc_info=raised)
            self._feed.remove(self._delivery, raised)
        finally:
            self._is_reporting = False

    async def _run_callback(self, callback: Callable[[E], object]) -> None:
        try:
            while self._delivery.state != "ended" or self._delivery.queue.items:
                item = self._delivery.take()
                if item is None:
                    if self._delivery.jobs():
                        self._feed.wake()  # The subscription must catch up.
                    await self._wait(None)
                elif isinstance(item, Reset):
                    await self._reset(item.revision)
                else:
                    await _settle(callback(self._read(item.event)))
        except Exception as raised:
            logger.error("The callback of a subscription raised an exception.", exc_info=raised)
            self._feed.remove(self._delivery, raised)


async def _settle(result: object) -> None:
    """Waits for what a callback returned, if that can be awaited."""
    if inspect.isawaitable(result):
        await result
