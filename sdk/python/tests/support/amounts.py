"""How much a test does in a long run: all of it, or the part that LONG_SHARE asks for."""

from __future__ import annotations

import math
import os


def of_long_run(amount: int) -> int:
    """A part of `amount`, at least 1."""
    return math.ceil(amount * float(os.environ.get("LONG_SHARE") or 1))
