"""How new the state must be that reads answer from, and the highest revision that a client has seen."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TypeVar

from ._calls import Call, Json
from ._errors import InvalidRequestError, MemxError
from ._options import MaxAge, ReadMode

R = TypeVar("R")


class Reads:
    """What one client has seen. Any thread may use it."""

    def __init__(self, mode: ReadMode) -> None:
        self._mode = mode
        self._lock = threading.Lock()
        self._revision = 0

    @property
    def revision(self) -> int:
        """The highest revision that the client has seen."""
        return self._revision

    def seen(self, revision: int) -> None:
        """Notes a revision that another client has seen."""
        if isinstance(revision, bool) or not isinstance(revision, int) or not 0 <= revision < 2**53:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRequestError("invalid_request", "A revision must be a whole number of at least 0.")
        self.note(revision)

    def note(self, revision: int | None) -> None:
        """Notes what a reply or an event says."""
        if revision is not None:
            with self._lock:
                self._revision = max(self._revision, revision)

    def failed(self, error: MemxError, revision: int | None) -> None:
        """Notes what an error response says.

        If the memory has not reached what the client has seen, because it has lost it, the client begins again at the
        revision of the memory, and so the next read works.
        """
        if revision is not None and error.code == "revision_ahead":
            with self._lock:
                self._revision = revision
        else:
            self.note(revision)

    def freshen(self, call: Call[R]) -> Call[R]:
        """Returns the call with how new its answer must be."""
        if not call.is_fresh:
            return call
        if isinstance(self._mode, MaxAge):
            name, value = "max_age", f"{self._mode.seconds:.6f}".rstrip("0").rstrip(".")
        elif self._mode == "session" and self._revision > 0:
            name, value = "min_revision", str(self._revision)
        else:
            return call
        if call.body is not None:
            return replace(call, body=Json(f'{call.body[:-1]},"{name}":{value}}}'))
        return replace(call, target=f"{call.target}{'&' if '?' in call.target else '?'}{name}={value}")


def read_revision(header: str | None) -> int | None:
    """Returns the revision of the header `memx-revision`."""
    return int(header) if header is not None and header.isascii() and header.isdecimal() and len(header) <= 16 else None
