"""Runs the feed of `AsyncMemX` on tasks of the caller's event loop. They end with the last subscription or `close`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from typing import Any

from websockets.exceptions import ConnectionClosed

from ._delivery import Delivery
from ._errors import MemxError
from ._feed import Connection, Drop, Feed, Open, Ping, Request, call_of
from ._http import AsyncHttp
from ._sockets import AsyncSocket, close_of, connect_error, lost_error, open_async_socket

logger = logging.getLogger("memx_sdk")


class AsyncFeed:
    """The feed of one client."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http
        self._feed = Feed(http.options, http.decoder, http.reads)
        self._tasks: set[asyncio.Task[None]] = set()
        self._receivers: dict[Connection, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Handle | None = None
        self._closed = False

    def add(self, member: Delivery) -> None:
        """Serves a subscription. After `close`, it ends at once."""
        if self._closed:
            member.end(None)
            return
        self._feed.add(member)
        self.wake()

    def remove(self, member: Delivery, error: BaseException | None = None) -> None:
        """Ends a subscription, and drops the events that its consumer has not read."""
        self._feed.remove(member, error, drop=True)
        self.wake()

    def wake(self) -> None:
        """Looks again, in the loop's next turn."""
        self._schedule(0)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs a task that `close` cancels and waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Ends all subscriptions, and waits for the tasks, unless one of them calls it."""
        self._closed = True
        self._feed.close()
        self._step()
        tasks = self._tasks - {asyncio.current_task()}
        # A second cancellation would interrupt the close of a socket.
        for task in tasks - self._closing:
            task.cancel()
        # Ends also if a task has an exception, which `_guard` reports.
        if tasks:
            await asyncio.wait(tasks)

    def _schedule(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay, self._step)

    def _step(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._feed.tick(time.monotonic())
            while self._feed.actions:
                self._act()
        except Exception as error:  # noqa: BLE001 - it ends every subscription, which reports it.
            self._crash(error)
        due = self._feed.next_tick()
        if due is not None:
            self._schedule(max(0.0, due - time.monotonic()))

    def _act(self) -> None:
        match self._feed.actions.popleft():
            case Open(connection):
                self._receivers[connection] = self.spawn(self._guard(self._receive(connection)))
            case Ping(connection):
                self.spawn(self._ping(connection))
            case Drop(connection, is_dead):
                self._drop(connection, is_dead)
            case Request() as request:
                self.spawn(self._guard(self._send(request)))

    async def _ping(self, connection: Connection) -> None:
        # The task that receives also learns that the connection is lost.
        with contextlib.suppress(ConnectionClosed, OSError):
            await connection.socket.send("ping")

    def _drop(self, connection: Connection, is_dead: bool) -> None:
        socket: AsyncSocket | None = connection.socket
        if socket is not None and is_dead:
            socket.transport.abort()
        receiver = self._receivers.pop(connection, None)
        if receiver is not None and receiver is not asyncio.current_task():
            self._closing.add(receiver)
            receiver.add_done_callback(self._closing.discard)
            receiver.cancel()

    async def _send(self, request: Request) -> None:
        member, job = request.member, request.job
        try:
            # The feed itself tries again.
            page = await self._http.send(call_of(member, job), retries=0)
        except Exception as error:  # noqa: BLE001 - whatever it is, the subscription reports it.
            self._feed.failed(member, job, error, time.monotonic())
        else:
            self._feed.succeeded(member, job, page)
        self.wake()

    async def _receive(self, connection: Connection) -> None:
        async with contextlib.AsyncExitStack() as stack:
            try:
                socket = await stack.enter_async_context(open_async_socket(self._http.options, connection.target))
            except Exception as cause:  # noqa: BLE001 - nothing that a server or a setting does ends the feed.
                self._ended(connection, None, "", connect_error(cause))
                return
            connection.socket = socket
            try:
                while not connection.has_ended:
                    frame = await socket.recv()
                    text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
                    self._feed.frame(connection, text, time.monotonic())
                    if self._feed.actions or self._feed.is_stale:
                        self.wake()
            except ConnectionClosed as closed:
                code, reason = close_of(closed)
                self._ended(connection, code, reason, lost_error(code, reason))

    def _ended(self, connection: Connection, code: int | None, reason: str, error: MemxError) -> None:
        self._feed.ended(connection, code, reason, error, time.monotonic())
        self.wake()

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - it ends every subscription, which reports it.
            self._crash(error)

    def _crash(self, error: BaseException) -> None:
        """A defect must not go unseen: every subscription ends with it."""
        logger.critical("The feed of the subscriptions has a defect.", exc_info=error)
        for member in self._feed.members:
            self._feed.remove(member, error)
