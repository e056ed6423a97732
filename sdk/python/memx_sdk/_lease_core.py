"""What the leases of both clients share: how to make one, its requests, and its errors. It does no I/O."""

from __future__ import annotations

import math
import random
import time
from datetime import timedelta
from typing import Any

from . import _calls as calls
from ._calls import Call
from ._errors import InvalidRequestError, LeaseLostError, MemxError
from ._lease_machine import Claim, Config, End, EndReason, LeaseMachine, Reject, Send
from ._models import Deleted, Written

MAX_TTL = 31_536_000.0

MAX_CHECK = 5.0
"""How often to look for a suspension, in seconds. No timer is longer."""
MAX_DRIFT = 1.0
"""A wall clock that is ahead by more than this has been stepped, or the other clock stood still."""

_REASONS: dict[EndReason, str] = {
    "released": "was released.",
    "abandoned": "was abandoned.",
    "expired": "was lost. It could not be renewed in time.",
    "conflict": "was lost. Another client wrote to the key.",
    "refused": "was lost. memX refused the renewal.",
    "broken": "was lost. The renewal could not be sent.",
}


class LeaseCore:
    """One lease: its machine, its clock, and its requests."""

    def __init__(
        self,
        key: str,
        ttl: float | timedelta,
        holder: object,
        wait: bool,
        idempotency_key: str | None,
        retries: int,
    ) -> None:
        calls.check_text(key, "key")
        if idempotency_key is not None:
            calls.check_idempotency_key(idempotency_key)
        self.key: str = key
        self.ttl: float = _read_ttl(ttl, key)
        self.holder: object = calls.random_id() if holder is None else holder
        claim = None
        if idempotency_key is not None:
            # A repeat must send the same value.
            claim = Claim(idempotency_key, f"claim {idempotency_key}" if holder is None else holder)
        config = Config(self.ttl, wait, retries, self.holder, is_unique=holder is None, claim=claim)
        self.machine: LeaseMachine = LeaseMachine(config, calls.random_id, random.random)
        self.error: LeaseLostError | None = None
        """Why the lease is over. None while it is held."""
        self.longest_wait: float = min(MAX_CHECK, self.ttl / 10)
        self._drift = _read_drift()

    def was_suspended(self) -> bool:
        """Returns whether the process was suspended since the last call, or the wall clock was set forward."""
        drift = _read_drift()
        was_suspended = drift - self._drift > MAX_DRIFT
        self._drift = drift if was_suspended else min(drift, self._drift)
        return was_suspended

    def call(self, send: Send) -> Call[Written | Deleted]:
        """Returns the call of a request."""
        if send.call == "release":
            return calls.delete(self.key, expect=send.expect, idempotency_key=send.id)
        return calls.set(self.key, send.value, expect=send.expect, ttl=self.ttl, idempotency_key=send.id)

    def lost(self, end: End) -> LeaseLostError:
        """Returns why the lease is over."""
        error = LeaseLostError("lease_lost", f"The lease on {self.key} {_REASONS[end.because]}", key=self.key)
        error.__cause__ = end.error
        return error

    def rejection(self, reject: Reject) -> BaseException:
        """Returns why there is no lease."""
        if reject.error is not None:
            return reject.error
        if reject.because == "cancelled":
            return MemxError("closed", f"The lease on {self.key} was not awaited any longer.", key=self.key)
        message = f"The lease on {self.key} may have expired before memX confirmed it."
        return LeaseLostError("lease_lost", message, key=self.key)


def now() -> float:
    """Returns the time of a clock that never steps, although it may stand still while the process is suspended."""
    return time.monotonic()


def _read_drift() -> float:
    return time.time() - time.monotonic()


def _read_ttl(ttl: Any, key: str) -> float:
    """Returns seconds. memX takes 1 second to a year."""
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and math.isfinite(seconds) and seconds > 0:
        return min(MAX_TTL, max(1.0, round(float(seconds), 3)))
    raise InvalidRequestError(
        "invalid_request", f"A lease needs a ttl of 1 to 31,536,000 seconds, not {ttl!r}.", key=key
    )
