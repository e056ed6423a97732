"""Reads responses, error responses, close codes, and events. It does no I/O."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias, cast

from ._errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidRequestError,
    InvalidSchemaError,
    MemxError,
    NetworkError,
    NotFoundError,
    QuotaExceededError,
    RateLimitedError,
    SchemaViolationError,
    UnauthorizedError,
    UnavailableError,
)
from ._json import Decoder
from ._models import (
    Batched,
    BatchResult,
    ChangesPage,
    Deleted,
    Entries,
    Entry,
    Health,
    KeyEntry,
    Patched,
    SchemaEvent,
    SchemaWritten,
    Scopes,
    StoredSchema,
    ValueEvent,
    WhoAmI,
    Written,
)

Json: TypeAlias = Any
Event: TypeAlias = "ValueEvent[Any] | SchemaEvent"

CLASSES: Mapping[str, type[MemxError]] = {
    "schema_violation": SchemaViolationError,
    "invalid_schema": InvalidSchemaError,
    "missing_api_key": UnauthorizedError,
    "invalid_api_key": UnauthorizedError,
    "forbidden": ForbiddenError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "rate_limited": RateLimitedError,
    "quota_exceeded": QuotaExceededError,
    "store_full": QuotaExceededError,
}
"""The class of each code that has one of its own."""

CLOSE_CODES: Mapping[int, str] = {
    4401: "missing_api_key",
    4403: "invalid_api_key",
    4422: "invalid_request",
    4429: "rate_limited",
}
"""The close codes that are final. 4403 is also that of `forbidden`."""


# Responses.


def read_entry(json: Json) -> Entry[Any] | None:
    return None if json is None else _entry(json)


def read_written(json: Json) -> Written:
    return Written(updated=json["updated"], revision=_whole(json["revision"]), ts=float(json["ts"]))


def read_patched(json: Json) -> Patched[Any]:
    return Patched(json["value"], updated=json["updated"], revision=_whole(json["revision"]), ts=float(json["ts"]))


def read_deleted(json: Json) -> Deleted:
    return Deleted(deleted=json["deleted"], revision=_whole(json["revision"]))


def read_schema_written(json: Json) -> SchemaWritten:
    return SchemaWritten(revision=_whole(json["revision"]))


def read_stored_schema(json: Json) -> StoredSchema:
    return StoredSchema(key=json["key"], schema=json["schema"], revision=json["revision"])


def read_health(json: Json) -> Health:
    return Health(status=json["status"], store=json["store"], version=json["version"])


def read_batched(json: Json) -> Batched:
    return Batched(tuple(_batch_result(result) for result in json["results"]))


def read_entries(json: Json) -> Entries[Any]:
    return Entries(tuple(read_entry(entry) for entry in json["entries"]), json["revision"])


def read_whoami(json: Json) -> WhoAmI:
    scopes = Scopes(tuple(json["scopes"]["read"]), tuple(json["scopes"]["write"]))
    return WhoAmI(json.get("name"), json["engine"], json["version"], scopes, json["limits"])


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing, and the cursor of the next one."""

    items: list[Any]
    cursor: Any


def read_keys(json: Json) -> Page:
    return Page([_key_entry(item) for item in json["keys"]], json["cursor"])


def read_history(json: Json) -> Page:
    return Page([event for item in json["changes"] if (event := read_event(item))], json["cursor"])


def read_changes(json: Json) -> ChangesPage:
    # The size bounds what waits for a consumer, so it need not be exact.
    events = ((event, item) for item in json["changes"] if (event := read_event(item)))
    sized = tuple((event, len(repr(item))) for event, item in events)
    return ChangesPage(sized, revision=json["revision"], reset=json["reset"])


def _optional_float(number: Json) -> float | None:
    return None if number is None else float(number)


def _entry(json: Json) -> Entry[Any]:
    return Entry(
        json["value"],
        ts=float(json["ts"]),
        revision=_whole(json["revision"]),
        expires=_optional_float(json.get("expires")),
        created=_optional_float(json.get("created")),
        by=json.get("by"),
    )


def _key_entry(json: Json) -> KeyEntry[Any]:
    return KeyEntry(
        json["key"],
        ts=float(json["ts"]),
        revision=_whole(json["revision"]),
        value=json.get("value"),
        expires=_optional_float(json.get("expires")),
        created=_optional_float(json.get("created")),
        by=json.get("by"),
    )


def _batch_result(json: Json) -> BatchResult:
    return BatchResult(
        json["revision"],
        updated=json.get("updated"),
        deleted=json.get("deleted"),
        ts=_optional_float(json.get("ts")),
    )


# Events.


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything up to `revision` has been sent."""

    revision: int


@dataclass(frozen=True, slots=True)
class Reset:
    """The log no longer reaches back. A snapshot follows."""

    revision: int


def read_frame(text: str, decoder: Decoder) -> Event | Ready | Reset | None:
    """Reads a frame of a subscription. Returns None for an event that this version does not know.

    Raises:
        ValueError: memX does not send such a frame.
    """
    try:
        json = decoder.decode(text)
        kind = json["event"]
        if kind == "ready":
            return Ready(_whole(json["revision"]))
        if kind == "reset":
            return Reset(_whole(json["revision"]))
        return read_event(json)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("The frame is not an event of memX.") from error


def read_event(json: Json) -> Event | None:
    """Reads one change. Returns None for a kind that this version does not know; the protocol says to ignore it."""
    kind = json["event"]
    if kind not in ("value", "schema"):
        return None
    key, action, ts = json["key"], json["action"], float(json["ts"])
    revision, previous = _whole(json["revision"]), json["previous"]
    if kind == "schema":
        return SchemaEvent(action, key, json.get("schema"), ts, revision, previous, by=json.get("by"))
    return ValueEvent(
        action,
        key,
        json["value"] if action == "set" else None,
        ts,
        revision,
        previous,
        expires=_optional_float(json.get("expires")),
        created=_optional_float(json.get("created")),
        by=json.get("by"),
    )


def event_json(event: Event) -> dict[str, Any]:
    """Returns an event as a plain client gets it: a dict with the members of its JSON."""
    json: dict[str, Any] = {"event": event.event, "action": event.action, "key": event.key}
    if event.action == "set":
        json[event.event] = event.value if isinstance(event, ValueEvent) else event.schema
    return json | {"ts": event.ts, "revision": event.revision, "previous": event.previous}


def _whole(number: Json) -> int:
    if not isinstance(number, int):
        raise TypeError("A revision is a whole number.")
    return number


# Errors.


def read_error(
    status: int, headers: Mapping[str, str], text: str, key: str | None, decoder: Decoder | None = None
) -> MemxError:
    """Reads the error of a failed response. A proxy may have sent the response instead of memX."""
    decoder = decoder or Decoder()
    details: dict[str, Any] = {
        "status": status,
        "key": key,
        "request_id": headers.get("x-request-id"),
        "retry_after": read_retry_after(headers.get("retry-after")),
    }
    problem = _read_problem(text, decoder)
    # A response of a proxy has only its status.
    code: str = problem["code"] if problem else "rate_limited" if status == 429 else ""
    kind = CLASSES.get(code) or (UnavailableError if status >= 500 else InvalidRequestError)
    if problem is None:
        message = f"The response has status {status} and does not come from memX."
        return kind("unexpected_answer", message, **details)
    if kind is ConflictError and "current" in problem:
        details |= {"current": _read_current(problem["current"], key), "knows_current": True}
    return kind(code, str(problem.get("detail") or code), errors=_read_field_errors(problem), **details)


def not_from_memx(key: str | None, status: int | None = None) -> NetworkError:
    """The error of a successful response that memX would not send: it broke off, or something else responded."""
    message = "The response is incomplete or does not come from memX."
    return NetworkError("network", message, key=key, status=status)


def read_refusal(close_code: int, reason: str) -> MemxError | None:
    """Reads the refusal that a close code means. Returns None for a close after which the client reconnects."""
    code = CLOSE_CODES.get(close_code)
    if code is None:
        return None
    return CLASSES.get(code, InvalidRequestError)(code, reason or f"memX closed the subscription: {code}.")


def is_final(error: BaseException) -> bool:
    """Returns whether the same request would fail again."""
    if not isinstance(error, MemxError):
        return True
    if error.status is None:
        return error.code not in ("network", "timeout")
    return error.status == 507 if error.status >= 500 else error.status not in (408, 429)


_DATE = re.compile(r"[A-Z][a-z]{2}, .* GMT")


def read_retry_after(header: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Returns the seconds of a `Retry-After`, which has seconds or a date (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    if re.fullmatch(r"[0-9]{1,15}", header):
        return float(header)
    if not _DATE.fullmatch(header):
        return None
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now())
    except ValueError:
        return None


def _read_problem(text: str, decoder: Decoder) -> dict[str, Any] | None:
    try:
        problem = decoder.decode(text)
    except ValueError:
        return None  # A proxy's page.
    if not isinstance(problem, dict):
        return None
    problem = cast("dict[str, Any]", problem)
    return problem if isinstance(problem.get("code"), str) else None


def _read_field_errors(problem: dict[str, Any]) -> tuple[FieldError, ...]:
    errors: Any = problem.get("errors")
    if not isinstance(errors, list):
        return ()
    found = (cast("dict[str, Any]", error) for error in cast("list[Any]", errors) if isinstance(error, dict))
    return tuple(FieldError(str(error.get("path", "")), str(error.get("message", ""))) for error in found)


def _read_current(current: Json, key: str | None) -> Entry[Any] | StoredSchema | None:
    if not isinstance(current, dict):
        return None
    current = cast("dict[str, Any]", current)
    if "schema" in current:
        return StoredSchema(key or "", current["schema"], current["revision"])
    return _entry(current)
