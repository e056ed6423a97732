"""Decides whether and when to try again. Retries are safe for writes too, because each carries an `Idempotency-Key`."""

from __future__ import annotations

import random

from ._errors import MemxError
from ._responses import is_final

BASE_SECONDS = 0.4
MAX_SECONDS = 20.0

MAX_RETRY_SECONDS = 240.0
"""memX remembers an `Idempotency-Key` for 5 minutes. A retry after that would write again."""


def backoff(attempt: int) -> float:
    """Returns the seconds to wait after a failed attempt, counted from 0.

    Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), from the first attempt on,
    because all clients lose a server that restarts in the same moment.
    """
    return random.random() * min(MAX_SECONDS, BASE_SECONDS * 2 ** min(attempt, 16))


class Retries:
    """The retries of one call.

    Args:
        limit: The largest number of retries.
        now: The monotonic time at which the call begins.
    """

    def __init__(self, limit: int, now: float) -> None:
        self._limit = limit
        self._began = now
        self._attempt = 0

    def after(self, error: MemxError, now: float) -> float | None:
        """Returns the seconds to wait before the next attempt, or None if there is none."""
        if is_final(error) or self._attempt >= self._limit:
            return None
        wait = (error.retry_after or 0.0) + backoff(self._attempt)
        self._attempt += 1
        return wait if now + wait - self._began <= MAX_RETRY_SECONDS else None
