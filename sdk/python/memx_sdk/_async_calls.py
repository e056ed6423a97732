"""Runs the sockets of calls of `AsyncMemX` on tasks of the caller's event loop.

They start when they are needed, and end when no call has needed them for a while, or with `close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed

from ._call_message import Broken, Message, Reply
from ._call_socket import CallSocket, CallSockets, Place, StrangeFrame
from ._options import Options
from ._sockets import AsyncSocket, CallFailed, failure_of_close, failure_of_open, open_async_call_socket

STRANGE = Broken("A message of the socket does not come from memX.")


class AsyncLink:
    """One socket, and its tasks."""

    def __init__(self, core: CallSocket) -> None:
        self.core = core
        self.opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        """Gets None once memX has responded to a ping, or why it did not."""
        self.changed = asyncio.Event()


@dataclass(frozen=True, slots=True)
class Given:
    """A place for a call that has waited."""

    link: AsyncLink
    place: Place


class AsyncTurn:
    """A call that has a place on a socket."""

    def __init__(self, owner: AsyncCalls, link: AsyncLink, place: Place, reply: asyncio.Future[Reply | Broken]) -> None:
        self._owner = owner
        self._link = link
        self._place = place
        self._reply = reply

    async def wait(self, timeout: float) -> Reply | Broken:
        """Returns the reply. Gives up after the timeout, and if the task is cancelled."""
        try:
            return await asyncio.wait_for(self._reply, timeout)
        except asyncio.TimeoutError:
            self._owner.abandon(self._link, self._place, timed_out=True)
            return Broken("timed out", timed_out=True)
        except BaseException:
            self._owner.abandon(self._link, self._place)
            raise


class AsyncCalls:
    """The sockets of one client."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._sockets = CallSockets(options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: AsyncLink | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @contextlib.contextmanager
    def count(self) -> Generator[None, None, None]:
        """Counts a call that is in flight, on either transport."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # The sockets of another loop ended with it.
            self._loop, self._link, self._sockets = loop, None, CallSockets(self._options)
        sockets = self._sockets
        sockets.in_flight += 1
        try:
            yield
        finally:
            sockets.in_flight -= 1

    async def turn(self, message: Message, timeout: float, deadline: float | None) -> AsyncTurn | None:
        """Returns a place for a call, or None if it goes by HTTP. Waits while the socket is full.

        Raises:
            CallFailed: The socket does not open, or had no room before the deadline.
        """
        loop = asyncio.get_running_loop()
        while True:
            reply: asyncio.Future[Reply | Broken] = loop.create_future()
            place = self._sockets.reserve(message, reply)
            link = self._link
            if place is not None and link is not None:
                link.changed.set()
                return AsyncTurn(self, link, place, reply)
            found: asyncio.Future[Any] = loop.create_future()
            entry = (message, (found, reply))
            opening = link is None or link.core.state != "ready"
            if opening:
                if link is None and not self._closed and self._sockets.wants_socket(time.monotonic()):
                    link = self._open()
                if link is None or self._options.calls == "auto":
                    return None
                found = link.opened
            else:
                self._sockets.waiting.append(entry)
            limit = timeout if opening else None
            if deadline is not None:
                limit = min(limit or float("inf"), max(0.0, deadline - time.monotonic()))
            result = await self._find(found, entry, limit)
            if isinstance(result, AsyncTurn):
                return result

    async def _find(
        self, found: asyncio.Future[Any], entry: tuple[Message, Any], limit: float | None
    ) -> AsyncTurn | None:
        try:
            # Others may wait for the same future.
            result = await asyncio.wait_for(asyncio.shield(found), limit)
        except BaseException as error:
            with contextlib.suppress(ValueError):
                self._sockets.waiting.remove(entry)
            given = found.result() if found.done() else None
            if isinstance(given, Given):
                self.abandon(given.link, given.place)
            if isinstance(error, asyncio.TimeoutError):
                raise CallFailed(Broken("timed out", timed_out=True)) from None
            raise
        if isinstance(result, (Broken, Reply)):
            raise CallFailed(result)
        return AsyncTurn(self, result.link, result.place, entry[1][1]) if isinstance(result, Given) else None

    def abandon(self, link: AsyncLink, place: Place, *, timed_out: bool = False) -> None:
        link.core.abandon(place, time.monotonic(), timed_out=timed_out)
        self._leave_if_retired(link)
        self._give()

    async def close(self) -> None:
        """Ends the sockets. Calls in flight fail."""
        self._closed = True
        if self._loop is not asyncio.get_running_loop():
            return
        if self._link is not None:
            self._end(self._link, Broken("the client was closed"))
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _open(self) -> AsyncLink:
        core = CallSocket(self._options, self._sockets.sizes, time.monotonic())
        link = AsyncLink(core)
        self._sockets.current, self._link = core, link
        self._spawn(self._run(link))
        return link

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, link: AsyncLink) -> None:
        try:
            async with open_async_call_socket(self._options) as connection:
                link.core.ping(time.monotonic())
                link.changed.set()
                writer = self._spawn(self._write(link, connection))
                try:
                    failure = await self._read(link, connection)
                    self._end(link, failure)
                    if failure is not None and failure is not STRANGE:
                        connection.transport.abort()  # The close of a dead connection may take minutes.
                finally:
                    writer.cancel()
        except Exception as cause:  # noqa: BLE001 - nothing that a server does ends more than its socket.
            self._end(link, failure_of_open(cause))
        finally:
            self._end(link, Broken("the client was closed"))

    async def _write(self, link: AsyncLink, connection: AsyncSocket) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):  # The task that reads learns it too.
            while True:
                await link.changed.wait()
                # The calls of a turn share a frame.
                await asyncio.sleep(0)
                link.changed.clear()
                for frame in link.core.take_frames():
                    await connection.send(frame)

    async def _read(self, link: AsyncLink, connection: AsyncSocket) -> Broken | Reply | None:
        """Returns why the socket ended, or None if it was done."""
        core = link.core
        while True:
            now = time.monotonic()
            dead = core.tick(now)
            if core.has_frames:
                link.changed.set()
            self._leave_if_retired(link)
            if dead is not None or core.is_done or core.state == "ended":
                return dead
            try:
                text = await asyncio.wait_for(connection.recv(), core.next_tick(now))
            except asyncio.TimeoutError:
                continue
            except ConnectionClosed as closed:
                return failure_of_close(closed)
            if not isinstance(text, str):
                return STRANGE
            try:
                replies = core.frame(text, time.monotonic())
            except StrangeFrame:
                return STRANGE
            if core.state == "ready" and not link.opened.done():
                link.opened.set_result(None)
            if self._leave_if_retired(link) and not self._closed and self._sockets.in_flight > 0:
                self._open()
            self._give()
            for waiter, reply in replies:
                _tell(waiter, reply)

    def _leave_if_retired(self, link: AsyncLink) -> bool:
        if link.core.state in ("opening", "ready") or self._link is not link:
            return False
        self._sockets.left(link.core)
        self._link = None
        return True

    def _give(self) -> None:
        """Gives places to calls that wait."""
        while (each := self._sockets.next_waiting()) is not None:
            found, place = each
            _tell(found, Given(self._link, place) if self._link and place else None)
            if self._link is not None:
                self._link.changed.set()

    def _end(self, link: AsyncLink, failure: Broken | Reply | None) -> None:
        if link.core.state == "ended":
            return
        if failure is not None:
            self._sockets.failed(link.core, time.monotonic())
        failure = failure or Broken("the socket was closed")
        waiters = link.core.end()
        self._leave_if_retired(link)
        if not link.opened.done():
            link.opened.set_result(failure)
        for waiter in waiters:
            _tell(waiter, failure)
        self._give()


def _tell(waiter: asyncio.Future[Any], reply: Any) -> None:
    # Whoever was cancelled in this moment needs it no more.
    if not waiter.done():
        waiter.set_result(reply)
