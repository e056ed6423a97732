"""The errors of memX and of this client: one class per case under one base.

Branch on the class or on `code`, which are stable. The HTTP module adds the class of the HTTP library to an error that
comes from a response or a lost connection.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Any

from ._models import Entry, StoredSchema

__all__ = [
    "ConflictError",
    "FieldError",
    "ForbiddenError",
    "InvalidRequestError",
    "InvalidSchemaError",
    "LeaseLostError",
    "MemxError",
    "NetworkError",
    "NotFoundError",
    "QuotaExceededError",
    "RateLimitedError",
    "SchemaChangedError",
    "SchemaViolationError",
    "TimeoutError",
    "UnauthorizedError",
    "UnavailableError",
]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of a value or a request.

    `path` is a JSON Pointer (RFC 6901) to the place, and `message` says what is wrong there.
    """

    path: str
    message: str


class MemxError(Exception):
    """The base class of all errors of memX and of this client.

    Example:
        >>> try:
        ...     memx.set("agent:goal", {"x": "one"})
        ... except MemxError as error:
        ...     print(error.code, error.errors)
    """

    code: str
    """What went wrong, for programs. Codes are stable, messages are not."""
    status: int | None
    """HTTP status. None if there was no response."""
    key: str | None
    """The key that the call was about. None if it was not about one key."""
    request_id: str | None
    """Identifies the request in memX's log. A call over a socket has none."""
    retry_after: float | None
    """Seconds that memX asks the client to wait before the next attempt."""
    errors: tuple[FieldError, ...]
    """The faults of the value or request, each with its place."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        key: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        errors: tuple[FieldError, ...] = (),
    ) -> None:
        # Not `super()`: the HTTP library's class may follow, and its constructor takes other arguments.
        Exception.__init__(self, message)
        self.code = code
        self.status = status
        self.key = key
        self.request_id = request_id
        self.retry_after = retry_after
        self.errors = errors

    def details(self) -> dict[str, Any]:
        """Returns the keyword arguments that create an equal error."""
        names = ("status", "key", "request_id", "retry_after", "errors")
        return {name: getattr(self, name) for name in names}

    def __reduce__(self) -> tuple[Any, ...]:
        # Between processes an error keeps its class of this module, without the HTTP library's request and response.
        own: type[MemxError] = getattr(type(self), "_own_class", type(self))
        return _create, (own, self.code, str(self), self.details())


def _create(kind: type[MemxError], code: str, message: str, details: dict[str, Any]) -> MemxError:
    return kind(code, message, **details)


class SchemaViolationError(MemxError):
    """The value does not match the key's schema, so nothing was written. A typed key raises it before sending."""


class InvalidSchemaError(MemxError):
    """memX cannot use the schema. `errors` says where and why."""


class UnauthorizedError(MemxError):
    """The API key is missing, unknown, or revoked."""


class ForbiddenError(MemxError):
    """The API key does not allow this."""


class NotFoundError(MemxError):
    """The key has no schema, or memX has no such path."""


class ConflictError(MemxError):
    """The key's current revision does not match `expect`, or a patch does not fit. Nothing was written."""

    current: Entry[Any] | StoredSchema | None
    """The current value, or the current schema if the call was about it. None if the key has none.

    Check `knows_current` first: the API key may not be allowed to read the key, and a patch that does not fit the
    value has no `current`.
    """
    knows_current: bool
    """Whether memX said what the key holds."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        current: Entry[Any] | StoredSchema | None = None,
        knows_current: bool = False,
        **details: Any,
    ) -> None:
        super().__init__(code, message, **details)
        self.current = current
        self.knows_current = knows_current

    @property
    def current_entry(self) -> Entry[Any] | None:
        """`current`, if the conflict is about a value."""
        return None if isinstance(self.current, StoredSchema) else self.current

    def details(self) -> dict[str, Any]:
        """Returns the keyword arguments that create an equal error."""
        return {**super().details(), "current": self.current, "knows_current": self.knows_current}


class SchemaChangedError(MemxError):
    """The key has another schema than that of the typed key, and this client did not set it. Nothing was written.

    `on_schema_change` of `MemX.key` says what to do instead.
    """

    current: StoredSchema
    """The key's schema in memX."""

    def __init__(self, code: str, message: str, *, current: StoredSchema, **details: Any) -> None:
        super().__init__(code, message, **details)
        self.current = current

    def details(self) -> dict[str, Any]:
        """Returns the keyword arguments that create an equal error."""
        return {**super().details(), "current": self.current}


class InvalidRequestError(MemxError, ValueError):
    """memX does not accept the request: a bad key, a value that is too large, an unknown field."""


class RateLimitedError(MemxError):
    """Too many requests or subscribers."""


class QuotaExceededError(MemxError):
    """The namespace, or the disk under the store, has no room for the write."""


class UnavailableError(MemxError):
    """memX or its store is unavailable. The write may have been applied."""


class NetworkError(MemxError):
    """No response arrived. The write may have been applied."""


class TimeoutError(MemxError, builtins.TimeoutError):
    """No response arrived in time. The write may have been applied."""


class LeaseLostError(MemxError):
    """The lease is lost, released, or abandoned."""
