"""Decides how `update` goes on after a conflict. It does no I/O."""

from __future__ import annotations

import random

from ._errors import ConflictError

MAX_ATTEMPTS = 1_000
"""After so many conflicts in a row, something other than a race is wrong."""


MAX_SECONDS = 2.0
"""The longest pause. With 32 writers of one key, this is faster than shorter pauses, and fewer writers starve."""


class Conflicts:
    """The conflicts of one `update`."""

    def __init__(self, expect: int | None) -> None:
        self._expect = expect
        self._attempt = 0

    def after(self, conflict: ConflictError) -> float:
        """Returns the seconds to wait before the next attempt.

        Raises:
            ConflictError: There is no next attempt.
        """
        if self._expect is not None or self._attempt >= MAX_ATTEMPTS:
            raise conflict
        attempt, self._attempt = self._attempt, self._attempt + 1
        # The first retry is immediate: most conflicts are with one other client.
        return 0.0 if attempt == 0 else random.random() * min(MAX_SECONDS, 0.01 * 2 ** min(attempt, 16))
