"""Runs the sockets of calls of `MemX` on threads: one that reads and one that writes, for each open socket.

They start when they are needed, and end when no call has needed them for a while, or with `close`.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed

from ._call_message import Broken, Message, Reply
from ._call_socket import CallSocket, CallSockets, Place, StrangeFrame
from ._options import Options
from ._sockets import CallFailed, SyncSocket, failure_of_close, failure_of_open, open_call_socket

STRANGE = Broken("A message of the socket does not come from memX.")


class Link:
    """One socket, and its threads."""

    def __init__(self, core: CallSocket, lock: threading.Lock) -> None:
        self.core = core
        self.opened: Future[Any] = Future()
        """Gets None once memX has responded to a ping, or why it did not."""
        self.changed = threading.Condition(lock)


@dataclass(frozen=True, slots=True)
class Given:
    """A place for a call that has waited."""

    link: Link
    place: Place


class Turn:
    """A call that has a place on a socket."""

    def __init__(self, owner: SyncCalls, link: Link, place: Place, reply: Future[Reply | Broken]) -> None:
        self._owner = owner
        self._link = link
        self._place = place
        self._reply = reply

    def wait(self, timeout: float) -> Reply | Broken:
        """Returns the reply. Gives up after the timeout, and at an interruption."""
        try:
            return self._reply.result(timeout)
        except FutureTimeoutError:
            self._owner.abandon(self._link, self._place, timed_out=True)
            return Broken("timed out", timed_out=True)
        except BaseException:
            self._owner.abandon(self._link, self._place)
            raise


class SyncCalls:
    """The sockets of one client."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._sockets = CallSockets(self._options)
        self._link: Link | None = None
        self._closed = False

    @contextlib.contextmanager
    def count(self) -> Generator[None, None, None]:
        """Counts a call that is in flight, on either transport."""
        if self._process != os.getpid():
            self._reset()  # A forked process must not share the sockets of its parent.
        sockets, lock = self._sockets, self._lock
        with lock:
            sockets.in_flight += 1
        try:
            yield
        finally:
            with lock:
                sockets.in_flight -= 1

    def turn(self, message: Message, timeout: float, deadline: float | None) -> Turn | None:
        """Returns a place for a call, or None if it goes by HTTP. Waits while the socket is full.

        Raises:
            CallFailed: The socket does not open, or had no room before the deadline.
        """
        while True:
            reply: Future[Reply | Broken] = Future()
            found: Future[Any] = Future()
            entry = (message, (found, reply))
            with self._lock:
                place = self._sockets.reserve(message, reply)
                link = self._link
                if place is not None and link is not None:
                    link.changed.notify()
                    return Turn(self, link, place, reply)
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
            result = self._find(found, entry, limit)
            if isinstance(result, Turn):
                return result

    def _find(self, found: Future[Any], entry: tuple[Message, Any], limit: float | None) -> Turn | None:
        try:
            result = found.result(limit)
        except BaseException as error:
            with self._lock, contextlib.suppress(ValueError):
                self._sockets.waiting.remove(entry)
            given = found.result() if found.done() else None
            if isinstance(given, Given):
                self.abandon(given.link, given.place)
            if isinstance(error, FutureTimeoutError):
                raise CallFailed(Broken("timed out", timed_out=True)) from None
            raise
        if isinstance(result, (Broken, Reply)):
            raise CallFailed(result)
        return Turn(self, result.link, result.place, entry[1][1]) if isinstance(result, Given) else None

    def abandon(self, link: Link, place: Place, *, timed_out: bool = False) -> None:
        with self._lock:
            link.core.abandon(place, time.monotonic(), timed_out=timed_out)
            self._leave_if_retired(link)
            given = self._give()
        _tell(given)

    def close(self) -> None:
        """Ends the sockets. Calls in flight fail."""
        with self._lock:
            self._closed = True
            link = self._link
        if link is not None:
            self._end(link, Broken("the client was closed"))

    def _open(self) -> Link:
        core = CallSocket(self._options, self._sockets.sizes, time.monotonic())
        link = Link(core, self._lock)
        self._sockets.current, self._link = core, link
        threading.Thread(target=self._run, args=(link,), name="memx-calls", daemon=True).start()
        return link

    def _run(self, link: Link) -> None:
        try:
            with open_call_socket(self._options) as connection:
                with self._lock:
                    link.core.ping(time.monotonic())
                writer = threading.Thread(
                    target=self._write, args=(link, connection), name="memx-calls-writer", daemon=True
                )
                writer.start()
                failure = self._read(link, connection)
                self._end(link, failure)
                if failure is not None and failure is not STRANGE:
                    connection.close_socket()  # The close of a dead connection may take minutes.
        except Exception as cause:  # noqa: BLE001 - nothing that a server does ends more than its socket.
            self._end(link, failure_of_open(cause))

    def _write(self, link: Link, connection: SyncSocket) -> None:
        while True:
            with self._lock:
                while not link.core.has_frames and link.core.state != "ended":
                    link.changed.wait()
                if link.core.state == "ended":
                    return
                frames = link.core.take_frames()
            try:
                for frame in frames:
                    connection.send(frame)
            except (ConnectionClosed, OSError):
                return  # The thread that reads learns it too.

    def _read(self, link: Link, connection: SyncSocket) -> Broken | Reply | None:
        """Returns why the socket ended, or None if it was done."""
        core = link.core
        while True:
            with self._lock:
                now = time.monotonic()
                dead = core.tick(now)
                link.changed.notify()
                self._leave_if_retired(link)
                if dead is not None or core.is_done or core.state == "ended":
                    return dead
                wait = core.next_tick(now)
            try:
                text = connection.recv(wait)
            except TimeoutError:
                continue
            except ConnectionClosed as closed:
                return failure_of_close(closed)
            if not isinstance(text, str):
                return STRANGE
            with self._lock:
                try:
                    replies: list[tuple[Any, Any]] = [*core.frame(text, time.monotonic())]
                except StrangeFrame:
                    return STRANGE
                if core.state == "ready" and not link.opened.done():
                    replies.append((link.opened, None))
                link.changed.notify()
                if self._leave_if_retired(link) and not self._closed and self._sockets.in_flight > 0:
                    self._open()
                replies += self._give()
            _tell(replies)

    def _leave_if_retired(self, link: Link) -> bool:
        """The caller has the lock."""
        if link.core.state in ("opening", "ready") or self._link is not link:
            return False
        self._sockets.left(link.core)
        self._link = None
        return True

    def _give(self) -> list[tuple[Any, Any]]:
        """Gives places to calls that wait. The caller has the lock."""
        given: list[tuple[Any, Any]] = []
        while (each := self._sockets.next_waiting()) is not None:
            found, place = each
            given.append((found, Given(self._link, place) if self._link and place else None))
        if given and self._link is not None:
            self._link.changed.notify()
        return given

    def _end(self, link: Link, failure: Broken | Reply | None) -> None:
        with self._lock:
            if link.core.state == "ended":
                return
            if failure is not None:
                self._sockets.failed(link.core, time.monotonic())
            failure = failure or Broken("the socket was closed")
            replies: list[tuple[Any, Any]] = [(waiter, failure) for waiter in link.core.end()]
            self._leave_if_retired(link)
            link.changed.notify_all()
            if not link.opened.done():
                replies.append((link.opened, failure))
            replies += self._give()
        _tell(replies)


def _tell(replies: list[tuple[Any, Any]]) -> None:
    for waiter, reply in replies:
        waiter.set_result(reply)
