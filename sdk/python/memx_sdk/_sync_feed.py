"""Runs the feed of `MemX` on threads: one that decides, one for each open socket, one for requests, one for callbacks.

They start when they are needed, and end with the last subscription or with `close`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed

from ._delivery import Delivery
from ._errors import MemxError
from ._feed import Connection, Drop, Feed, Open, Ping, Request, call_of
from ._http import SyncHttp
from ._sockets import SyncSocket, close_of, connect_error, lost_error, open_socket

logger = logging.getLogger("memx_sdk")

JOIN_SECONDS = 2.0


class Worker:
    """One thread that runs tasks in order. It starts with the first task and ends with `stop`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def put(self, task: Callable[[], None]) -> None:
        with self._lock:
            if self._stopped:
                return
            self._tasks.put(task)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the task that runs now, and waits for it. A task may stop its own thread."""
        with self._lock:
            self._stopped = True
            thread = self._thread
            self._tasks.put(None)
        join(thread)

    def _run(self) -> None:
        while not self._stopped and (task := self._tasks.get()) is not None:
            task()


def join(thread: threading.Thread | None) -> None:
    """Waits for a thread. One that is busy with a dead connection or a long callback ends by itself later."""
    if thread is not None and thread is not threading.current_thread() and thread.is_alive():
        thread.join(JOIN_SECONDS)


class SyncFeed:
    """The feed of one client. `lock` guards it and all its deliveries."""

    def __init__(self, http: SyncHttp) -> None:
        self.lock: threading.Lock = threading.Lock()
        self.callbacks: Worker = Worker("memx-callbacks")
        self._http = http
        self._feed = Feed(http.options, http.decoder, http.reads)
        self._requests = Worker("memx-requests")
        self._changed = threading.Condition(self.lock)
        self._thread: threading.Thread | None = None
        self._sockets: set[threading.Thread] = set()
        self._closed = False

    def add(self, member: Delivery) -> None:
        """Serves a subscription. After `close`, it ends at once."""
        with self.lock:
            if self._closed:
                member.end(None)
                return
            self._feed.add(member)
            self.wake()

    def remove(self, member: Delivery, error: BaseException | None = None) -> None:
        """Ends a subscription, and drops the events that its consumer has not read."""
        with self.lock:
            self._feed.remove(member, error, drop=True)
            self.wake()

    def wake(self) -> None:
        """Makes the thread look again. The caller has the lock."""
        if not self._feed.is_idle and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._run, name="memx-feed", daemon=True)
            self._thread.start()
        self._changed.notify()

    def close(self) -> None:
        """Ends all subscriptions, and waits for the threads, unless one of them calls it."""
        with self.lock:
            self._closed = True
            self._feed.close()
            self.wake()
            thread, sockets = self._thread, list(self._sockets)
        for each in (thread, *sockets):
            join(each)
        self._requests.stop()
        self.callbacks.stop()

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception as error:  # noqa: BLE001 - it ends every subscription, which reports it.
            self._crash(error)

    def _step(self) -> bool:
        """Does what is due, then waits. Returns False when there is nothing left to do."""
        with self.lock:
            now = time.monotonic()
            self._feed.tick(now)
            actions = list(self._feed.actions)
            self._feed.actions.clear()
            if not actions:
                if self._feed.is_idle:
                    self._thread = None
                    return False
                due = self._feed.next_tick()
                if due is None or due > now:
                    self._changed.wait(None if due is None else due - now)
                return True
        for action in actions:
            match action:
                case Open(connection):
                    self._open(connection)
                case Ping(connection):
                    self._ping(connection)
                case Drop(connection, is_dead):
                    self._drop(connection, is_dead)
                case Request():
                    self._requests.put(lambda action=action: self._send(action))
        return True

    def _open(self, connection: Connection) -> None:
        thread = threading.Thread(target=self._receive, args=(connection,), name="memx-socket", daemon=True)
        with self.lock:
            self._sockets.add(thread)
        thread.start()

    def _ping(self, connection: Connection) -> None:
        # The thread that receives also learns that the connection is lost.
        with contextlib.suppress(ConnectionClosed, OSError):
            connection.socket.send("ping")

    def _drop(self, connection: Connection, is_dead: bool) -> None:
        with self.lock:
            socket: SyncSocket | None = connection.socket
        if socket is None:
            return  # The thread that opens it closes it.
        _close(socket, is_dead)

    def _send(self, request: Request) -> None:
        member, job = request.member, request.job
        try:
            # The feed itself tries again, so that no other request waits behind a pause.
            page = self._http.send(call_of(member, job), retries=0)
        except Exception as error:  # noqa: BLE001 - whatever it is, the subscription reports it.
            with self.lock:
                self._feed.failed(member, job, error, time.monotonic())
                self.wake()
            return
        with self.lock:
            self._feed.succeeded(member, job, page)
            self.wake()

    def _receive(self, connection: Connection) -> None:
        try:
            with contextlib.ExitStack() as stack:
                self._receive_frames(connection, stack)
        except Exception as error:  # noqa: BLE001 - it ends every subscription, which reports it.
            self._crash(error)
        finally:
            with self.lock:
                self._sockets.discard(threading.current_thread())

    def _receive_frames(self, connection: Connection, stack: contextlib.ExitStack) -> None:
        options = self._http.options
        try:
            socket = stack.enter_context(open_socket(options, connection.target))
        except Exception as cause:  # noqa: BLE001 - nothing that a server or a setting does ends the feed.
            self._ended(connection, None, "", connect_error(cause))
            return
        with self.lock:
            connection.socket = socket
            is_dropped = connection.has_ended
        if is_dropped:
            return
        try:
            while True:
                text = socket.recv()
                with self.lock:
                    self._feed.frame(connection, _text(text), time.monotonic())
                    if self._feed.actions or self._feed.is_stale:
                        self.wake()
                    has_ended = connection.has_ended
                if has_ended:
                    return
        except ConnectionClosed as closed:
            code, reason = close_of(closed)
            self._ended(connection, code, reason, lost_error(code, reason))

    def _ended(self, connection: Connection, code: int | None, reason: str, error: MemxError) -> None:
        with self.lock:
            self._feed.ended(connection, code, reason, error, time.monotonic())
            self.wake()

    def _crash(self, error: BaseException) -> None:
        """A defect must not go unseen: every subscription ends with it."""
        logger.critical("The feed of the subscriptions has a defect.", exc_info=error)
        with self.lock:
            for member in self._feed.members:
                self._feed.remove(member, error)


def _text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode("utf-8", "replace")


def _close(socket: SyncSocket, is_dead: bool) -> None:
    with contextlib.suppress(OSError):
        if is_dead:
            socket.close_socket()
        else:
            socket.close()
