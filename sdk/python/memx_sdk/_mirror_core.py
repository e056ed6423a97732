"""A copy of a part of the memory, kept equal to it by the feed. It does no I/O and has no lock of its own.

It changes in whole steps only: no reader sees half of a snapshot, and what it holds is what memX held at `revision`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._delivery import Delivery, Reset
from ._errors import InvalidRequestError, MemxError
from ._models import Entry, SchemaEvent, ValueEvent
from ._retry import backoff

MAX_CHARS = 64 * 1024 * 1024

ASK_AFTER_SECONDS = 0.1
"""After which `at` asks memX: most changes arrive before. Those of keys without a match never arrive."""


class MirrorCore:
    """The entries of a mirror.

    Args:
        covers: Whether a key is in the mirror.
        max_chars: The most characters that the entries may have.

    Raises:
        InvalidRequestError: `max_chars` is no whole number from 1.
    """

    def __init__(self, covers: Callable[[str], bool], max_chars: int) -> None:
        if isinstance(max_chars, bool) or not isinstance(max_chars, int) or max_chars < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRequestError("invalid_request", "max_chars must be a whole number from 1.")
        self.covers: Callable[[str], bool] = covers
        self.revision: int = 0
        self.end: BaseException | None = None
        """Why reading the mirror fails."""
        self._held: dict[str, tuple[Entry[Any], int]] = {}
        self._max_chars = max_chars
        self._chars = 0

    def take(self, delivery: Delivery) -> dict[str, Entry[Any] | None]:
        """Takes all that has arrived. Returns the keys whose entry is another one, each with its entry."""
        if delivery.state == "ended":
            self.close(delivery.error)
        if self.end is not None:
            return {}
        before: dict[str, Entry[Any] | None] = {}
        # Before the queue is read: an empty queue may make the subscription catch up.
        cursor = delivery.cursor
        while (item := delivery.take()) is not None:
            if isinstance(item, Reset):
                before = {key: entry for key, (entry, _) in self._held.items()} | before
                self._held = {}
                self._chars = 0
            else:
                key = item.event.key
                before.setdefault(key, self._entry(key))
                self._put(item.event, item.chars)
        if self._chars > self._max_chars:
            message = f"The entries of the mirror have more than {self._max_chars} characters. "
            error = MemxError("mirror_full", message + "Mirror fewer keys, or set max_chars.")
            self.close(error)
            delivery.end(error)
            return {}
        self.revision = cursor
        return {key: self._entry(key) for key, old in before.items() if self._entry(key) != old}

    def get(self, key: str) -> Entry[Any] | None:
        self.check_open()
        if not self.covers(key):
            raise InvalidRequestError("invalid_request", f"The mirror has no pattern for the key {key!r}.")
        return self._entry(key)

    def entries(self) -> list[tuple[str, Entry[Any]]]:
        self.check_open()
        return [(key, entry) for key, (entry, _) in self._held.items()]

    def size(self) -> int:
        self.check_open()
        return len(self._held)

    def is_at(self, revision: int) -> bool:
        """Returns whether the mirror is at least as new as a revision."""
        if isinstance(revision, bool) or not isinstance(revision, int) or revision < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRequestError("invalid_request", "A revision must be a whole number from 0.")
        self.check_open()
        return revision <= self.revision

    def check_open(self) -> None:
        if self.end is not None:
            raise self.end

    def close(self, error: BaseException | None) -> None:
        """Ends the mirror. Reading it fails from then on."""
        if self.end is None:
            self.end = error or MemxError("closed", "The mirror is closed.")
            self._held = {}

    def _entry(self, key: str) -> Entry[Any] | None:
        held = self._held.get(key)
        return held[0] if held is not None else None

    def _put(self, event: ValueEvent[Any] | SchemaEvent, chars: int) -> None:
        assert isinstance(event, ValueEvent)
        _, old_chars = self._held.pop(event.key, (None, 0))
        self._chars -= old_chars
        if event.action == "set":
            entry = Entry(event.value, event.ts, event.revision, event.expires, event.created, event.by)
            self._held[event.key] = (entry, chars)
            self._chars += chars


def pause_before_asking(attempt: int) -> float:
    """Returns seconds to wait before memX is asked."""
    return ASK_AFTER_SECONDS if attempt == 0 else ASK_AFTER_SECONDS + backoff(attempt)
