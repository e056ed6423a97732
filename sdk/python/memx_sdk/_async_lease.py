"""A lease of `AsyncMemX`: a key that one holder has at a time, while the holder lives. Tasks send its requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any

from ._errors import LeaseLostError, MemxError, TimeoutError
from ._http import AsyncHttp
from ._lease_core import LeaseCore, now
from ._lease_machine import (
    Action,
    Applied,
    End,
    Event,
    Reject,
    Released,
    ReleaseFailed,
    Report,
    Resolve,
    Send,
    Stop,
    Watch,
    WatchFailed,
    read_failure,
)
from ._models import Status, ValueEvent

logger = logging.getLogger("memx_sdk")


class AsyncLeaseSession:
    """Runs the machine of one lease. `watch` subscribes to the key, and returns what ends that."""

    def __init__(
        self,
        core: LeaseCore,
        http: AsyncHttp,
        watch: Callable[[AsyncLeaseSession], Callable[[], Coroutine[Any, Any, None]]],
    ) -> None:
        self.core: LeaseCore = core
        self.lost: asyncio.Event = asyncio.Event()
        self.on_lost: Callable[[], None] = _nothing
        self._http = http
        self._watch = watch
        self._unwatch: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._loop = asyncio.get_running_loop()
        self._acquired: asyncio.Future[None] = self._loop.create_future()
        self._released: asyncio.Future[None] = self._loop.create_future()
        self._is_releasing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._request: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    async def acquire(self, seconds: float | None) -> None:
        """Waits until the lease begins, for at most so many seconds."""
        self.handle("start")
        try:
            await asyncio.wait([self._acquired], timeout=seconds)
            if not self._acquired.done():
                message = f"The lease on {self.core.key} was not free within {seconds:g} s."
                raise TimeoutError("timeout", message, key=self.core.key)
        except BaseException:
            # What memX may have applied is deleted in the background.
            self._acquired.cancel()
            self.handle("cancel")
            self.handle("release")
            raise
        self._acquired.result()

    def handle(self, event: Event) -> None:
        if self._stopped:
            return
        machine = self.core.machine
        if self.core.was_suspended():
            self._run(machine.handle("suspended", now()))
        self._run(machine.handle(event, now()))
        self._set_timer()

    async def release(self) -> None:
        if not self._is_releasing:
            self._is_releasing = True
            self.handle("release")
        # Each caller waits by itself: one that is cancelled does not cancel the others.
        await asyncio.wait([self._released])
        self._released.result()

    async def stop(self) -> None:
        """Ends the tasks. The key expires."""
        self.handle("abandon")
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._released.done():
            self._released.set_result(None)
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _run(self, actions: list[Action]) -> None:
        for action in actions:
            self._do(action)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait = self.core.machine.wake_at - now()
        if self.core.machine.state != "over" and wait != float("inf"):
            self._timer = self._loop.call_later(max(0.0, min(wait, self.core.longest_wait)), self.handle, "timer")

    def _do(self, action: Action) -> None:
        match action:
            case Send():
                self._request = self._spawn(self._send(action))
            case Stop():
                if self._request is not None:
                    self._request.cancel()
            case Watch():
                self._unwatch = self._watch(self)
            case Resolve():
                self._end_watch()
                if not self._acquired.done():
                    self._acquired.set_result(None)
            case Reject():
                self._end_watch()
                if not self._acquired.done():
                    self._acquired.set_exception(self.core.rejection(action))
            case End():
                self.core.error = self.core.lost(action)
                if action.because not in ("released", "abandoned"):
                    self.lost.set()
                    logger.warning("%s", self.core.error)
                    self.on_lost()
            case Released():
                if not self._released.done():
                    self._released.set_result(None)
            case ReleaseFailed(error):
                if not self._released.done():
                    self._released.set_exception(error)
            case Report(error):
                logger.critical("A lease has a defect.", exc_info=error)

    def _end_watch(self) -> None:
        if self._unwatch is not None:
            self._spawn(self._unwatch())
            self._unwatch = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _send(self, send: Send) -> None:
        try:
            revision = (await self._http.send(self.core.call(send), retries=0)).revision
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine decides.
            self.handle(read_failure(error, send.request))
        else:
            self.handle(Applied(send.request, revision))


def _nothing() -> None:
    pass


class AsyncLease:
    """An exclusive lease on a key.

    Example:
        >>> async with memx.lease("task:1:lease", ttl=30) as lease:
        ...     await work(token=lease.token)
        ...     await memx.batch([Check(lease.key, lease.revision), Set("task:1", "done")])
    """

    key: str
    holder: object
    """The value of the key during the lease."""
    token: int
    """The fencing token: larger than that of every earlier holder. Pass it on with what you write under the lease."""
    lost: asyncio.Event
    """Set when the lease is lost, or may be."""

    def __init__(self, session: AsyncLeaseSession) -> None:
        self._session = session
        self.key = session.core.key
        self.holder = session.core.holder
        self.token = session.core.machine.token
        self.lost = session.lost

    @property
    def revision(self) -> int:
        """The key's current revision. `Check(lease.key, lease.revision)` in a batch writes only while it is held."""
        return self._session.core.machine.revision

    def check(self) -> None:
        """Raises if the lease is not held any more. It sends nothing.

        Raises:
            LeaseLostError: The lease was lost, released, or abandoned.
        """
        self._session.handle("timer")
        if self._session.core.error is not None:
            raise self._session.core.error

    async def release(self) -> None:
        """Deletes the key, so that others can claim it. Does nothing if the lease was lost.

        If memX is away, tries until the lease ends, and then returns: the key is free without it.

        Raises:
            MemxError: memX refuses the deletion.
        """
        await self._session.release()

    def abandon(self) -> None:
        """Stops renewing the lease, so that it expires."""
        self._session.handle("abandon")


class AsyncLeaseContext:
    """What `AsyncMemX.lease` returns: await it for a lease, or use it in an `async with`.

    The `async with` releases the lease at its end. If the lease is lost in the block, the block's task is cancelled,
    and the block raises `LeaseLostError`.
    """

    def __init__(self, session: AsyncLeaseSession, seconds: float | None) -> None:
        self._session = session
        self._seconds = seconds
        self._task: asyncio.Task[Any] | None = None
        self._is_cancelled_by_loss = False

    def __await__(self) -> Generator[Any, None, AsyncLease]:
        return self._acquire().__await__()

    async def _acquire(self) -> AsyncLease:
        await self._session.acquire(self._seconds)
        return AsyncLease(self._session)

    async def __aenter__(self) -> AsyncLease:
        lease = await self._acquire()
        self._task = asyncio.current_task()
        self._session.on_lost = self._cancel_block
        if lease.lost.is_set():
            self._cancel_block()
        return lease

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.on_lost = _nothing
        lost: LeaseLostError | None = self._session.core.error if self._session.lost.is_set() else None
        is_own_cancellation = self._is_cancelled_by_loss and await self._take_back(error)
        await self._session.release()
        if lost is not None and (error is None or is_own_cancellation):
            raise lost from None

    def _cancel_block(self) -> None:
        if self._task is not None and not self._is_cancelled_by_loss:
            self._is_cancelled_by_loss = True
            self._task.cancel()

    async def _take_back(self, error: BaseException | None) -> bool:
        """Takes back the cancellation of the block. Returns whether `error` is that cancellation, and no other."""
        if not isinstance(error, asyncio.CancelledError):
            # The block ended before its task could be cancelled: the cancellation is still to come.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        if sys.version_info >= (3, 11):
            assert self._task is not None
            # Another cancellation of the task remains, and must get through.
            return self._task.uncancel() == 0 and isinstance(error, asyncio.CancelledError)
        return isinstance(error, asyncio.CancelledError)


def on_change(session: AsyncLeaseSession) -> Callable[[ValueEvent[object]], None]:
    """Returns the callback of the subscription that waits for the key."""

    def changed(event: ValueEvent[object]) -> None:
        if event.action != "set":
            session.handle("free")

    return changed


def on_status(session: AsyncLeaseSession) -> Callable[[Status, MemxError | None], None]:
    """Returns what the subscription that waits for the key reports to."""

    def changed(status: Status, error: MemxError | None) -> None:
        if status == "live":
            session.handle("free")
        elif status == "closed":
            session.handle(WatchFailed(error or MemxError("closed", "The client is closed.", key=session.core.key)))

    return changed
