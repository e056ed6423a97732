"""A lease of `MemX`: a key that one holder has at a time, while the holder lives. Threads send its requests."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from ._errors import LeaseLostError, MemxError, TimeoutError
from ._http import SyncHttp
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
    Watch,
    WatchFailed,
    read_failure,
)
from ._models import Status, ValueEvent

logger = logging.getLogger("memx_sdk")


class LeaseSession:
    """Runs the machine of one lease. `watch` subscribes to the key, and returns what ends that."""

    def __init__(self, core: LeaseCore, http: SyncHttp, watch: Callable[[LeaseSession], Callable[[], None]]) -> None:
        self.core: LeaseCore = core
        self.lost: threading.Event = threading.Event()
        self._http = http
        self._watch = watch
        self._unwatch: Callable[[], None] | None = None
        self._changed = threading.Condition()
        self._rejection: BaseException | None = None
        self._is_acquired = False
        self._is_released = False
        self._release_error: BaseException | None = None
        self._stopped = False
        self._thread: threading.Thread | None = None

    def acquire(self, seconds: float | None) -> None:
        """Waits until the lease begins, for at most so many seconds."""
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            with self._changed:
                self._handle("start")
                is_settled = self._wait_for(lambda: self._is_acquired or self._rejection is not None, deadline)
        except BaseException:
            # For example a KeyboardInterrupt. What memX may have applied is deleted in the background.
            self.handle("cancel")
            self.handle("release")
            raise
        if not is_settled:
            self.handle("cancel")
            self.handle("release")
            message = f"The lease on {self.core.key} was not free within {seconds:g} s."
            raise TimeoutError("timeout", message, key=self.core.key)
        if self._rejection is not None:
            raise self._rejection

    def handle(self, event: Event) -> None:
        with self._changed:
            self._handle(event)

    def release(self) -> None:
        with self._changed:
            if not self._is_released:
                self._handle("release")
            self._wait_for(lambda: self._is_released, None)
        if self._release_error is not None:
            raise self._release_error

    def stop(self) -> None:
        """Ends the thread. The key expires."""
        with self._changed:
            self._handle("abandon")
            self._stopped = self._is_released = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    # From here on, the caller has the lock.

    def _wait_for(self, condition: Callable[[], bool], deadline: float | None) -> bool:
        return self._changed.wait_for(condition, None if deadline is None else deadline - time.monotonic())

    def _handle(self, event: Event) -> None:
        if self._stopped:
            return
        machine = self.core.machine
        if self.core.was_suspended():
            self._run(machine.handle("suspended", now()))
        self._run(machine.handle(event, now()))
        self._changed.notify_all()

    def _run(self, actions: list[Action]) -> None:
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Send():
                threading.Thread(target=self._send, args=(action,), name="memx-lease-request", daemon=True).start()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._keep, name="memx-lease", daemon=True)
                    self._thread.start()
            case Watch():
                self._unwatch = self._watch(self)
            case Resolve():
                self._end_watch()
                self._is_acquired = True
            case Reject():
                self._end_watch()
                self._rejection = self.core.rejection(action)
            case End():
                self.core.error = self.core.lost(action)
                if action.because not in ("released", "abandoned"):
                    self.lost.set()
                    logger.warning("%s", self.core.error)
            case Released():
                self._is_released = True
            case ReleaseFailed(error):
                self._is_released = True
                self._release_error = error
            case Report(error):
                logger.critical("A lease has a defect.", exc_info=error)
            case _:  # A request that is stopped ends by itself. The machine does not take its result.
                pass

    def _end_watch(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    # Threads.

    def _send(self, send: Send) -> None:
        try:
            revision = self._http.send(self.core.call(send), retries=0).revision
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine decides.
            self.handle(read_failure(error, send.request))
        else:
            self.handle(Applied(send.request, revision))

    def _keep(self) -> None:
        with self._changed:
            while not self._stopped and self.core.machine.state != "over":
                wait = min(self.core.machine.wake_at - now(), self.core.longest_wait)
                if wait > 0:
                    self._changed.wait(wait)
                self._handle("timer")


class Lease:
    """An exclusive lease on a key. A `with` block releases it at its end.

    The end of the block raises `LeaseLostError` if the lease was lost in the block.

    Example:
        >>> with memx.lease("task:1:lease", ttl=30) as lease:
        ...     for step in steps:
        ...         lease.check()
        ...         work(step)
        ...     memx.batch([Check(lease.key, lease.revision), Set("task:1", "done")])
    """

    key: str
    holder: object
    """The value of the key during the lease."""
    token: int
    """The fencing token: larger than that of every earlier holder. Pass it on with what you write under the lease."""
    lost: threading.Event
    """Set when the lease is lost, or may be."""

    def __init__(self, session: LeaseSession) -> None:
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

    def release(self) -> None:
        """Deletes the key, so that others can claim it. Does nothing if the lease was lost.

        If memX is away, tries until the lease ends, and then returns: the key is free without it.

        Raises:
            MemxError: memX refuses the deletion.
        """
        self._session.release()

    def abandon(self) -> None:
        """Stops renewing the lease, so that it expires."""
        self._session.handle("abandon")

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        lost: LeaseLostError | None = self._session.core.error if self.lost.is_set() else None
        self.release()
        if lost is not None and error is None:
            raise lost


def on_change(session: LeaseSession) -> Callable[[ValueEvent[object]], None]:
    """Returns the callback of the subscription that waits for the key."""

    def changed(event: ValueEvent[object]) -> None:
        if event.action != "set":
            session.handle("free")

    return changed


def on_status(session: LeaseSession) -> Callable[[Status, MemxError | None], None]:
    """Returns what the subscription that waits for the key reports to."""

    def changed(status: Status, error: MemxError | None) -> None:
        if status == "live":
            session.handle("free")
        elif status == "closed":
            session.handle(WatchFailed(error or MemxError("closed", "The client is closed.", key=session.core.key)))

    return changed
