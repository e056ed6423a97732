"""Builds the requests of all calls. It does no I/O: `Call` says what to send, and how to read what comes back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Literal, TypeVar, cast
from urllib.parse import quote, quote_plus

from . import _responses as responses
from ._errors import InvalidRequestError
from ._json import encode, is_well_formed
from ._models import (
    Batched,
    BatchOperation,
    ChangesPage,
    Check,
    Delete,
    Deleted,
    Entries,
    Entry,
    EventFilter,
    Health,
    JsonSchema,
    Patched,
    SchemaWritten,
    Set,
    StoredSchema,
    Ttl,
    WhoAmI,
    Written,
)
from ._options import Options

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[R_co]):
    """One call of memX."""

    method: Literal["GET", "POST", "DELETE"]
    target: str
    """Path and query."""
    read: Callable[[Any], R_co]
    """Reads the JSON of the response."""
    body: str | None = None
    key: str | None = None
    """The key that the call is about, for its error."""
    idempotency_key: str | None = None
    """Makes a retry safe. A read has none and needs none."""
    is_fresh: bool = False
    """A read of which the option `reads` says how new it must be."""
    wait: float = 0
    """Seconds that memX may wait before it responds, besides the timeout of the attempt."""


def headers_of(call: Call[Any], options: Options) -> list[tuple[bytes, bytes]]:
    """Returns the headers of a call."""
    headers: list[tuple[str, str | None]] = [
        ("accept", "application/json"),
        ("x-api-key", options.api_key),
        ("x-memx-agent", options.agent),
        ("content-type", None if call.body is None else "application/json"),
        ("idempotency-key", call.idempotency_key),
    ]
    return [(name.encode(), value.encode()) for name, value in headers if value is not None]


def random_id() -> str:
    """Returns a new `Idempotency-Key`."""
    return secrets.token_hex(16)


# Values.


def set(
    key: str,
    value: object,
    *,
    expect: int | None = None,
    ttl: Ttl | None = None,
    ts: float | None = None,
    idempotency_key: str | None = None,
) -> Call[Written]:
    json = value if isinstance(value, Json) else Json(encode(value, key))
    fields = {"value": json, "expect": expect, "ttl": seconds(ttl), "ts": ts}
    return _write("/set", key, fields, responses.read_written, idempotency_key)


def get(key: str) -> Call[Entry[Any] | None]:
    return Call("GET", target("/get", key=_check_key(key)), responses.read_entry, key=key, is_fresh=True)


def get_many(keys: Iterable[str]) -> Call[Entries[Any]]:
    body = _body({"keys": [_check_key(key) for key in check_list("keys", keys)]})
    return Call("POST", "/read", responses.read_entries, body, is_fresh=True)


def delete(key: str, *, expect: int | None = None, idempotency_key: str | None = None) -> Call[Deleted]:
    return _write("/delete", key, {"expect": expect}, responses.read_deleted, idempotency_key)


def patch(
    key: str,
    change: Mapping[str, object],
    *,
    expect: int | None = None,
    ttl: Ttl | None = None,
    idempotency_key: str | None = None,
) -> Call[Patched[Any]]:
    """Changes part of a value. `change` has one of `merge`, `patch`, `increment`, and `append`."""
    fields = {**change, "expect": expect, "ttl": seconds(ttl)}
    return _write("/patch", key, fields, responses.read_patched, idempotency_key)


def merge(changes: object, key: str) -> dict[str, object]:
    return {"merge": Json(encode(changes, key))}


def json_patch(operations: Iterable[Mapping[str, object]], key: str) -> dict[str, object]:
    return {"patch": Json(encode(list(operations), key))}


def increment(by: object, path: str | None, key: str) -> dict[str, object]:
    return {"increment": _present({"path": path, "by": Json(encode(by, key))})}


def append(items: Iterable[object], path: str | None, limit: int | None, key: str) -> dict[str, object]:
    json = Json(encode(check_list("items", items), key))
    return {"append": _present({"path": path, "items": json, "limit": limit})}


def batch(operations: Iterable[BatchOperation], *, idempotency_key: str | None = None) -> Call[Batched]:
    body = _body({"operations": [Json(_body(_operation(operation))) for operation in operations]})
    return Call("POST", "/batch", responses.read_batched, body, idempotency_key=check_idempotency_key(idempotency_key))


def _operation(operation: BatchOperation) -> dict[str, object]:
    key = _check_key(operation.key)
    match operation:
        case Set(value=value, expect=expect, ttl=ttl, ts=ts):
            json = Json(encode(value, key))
            return {"op": "set", "key": key, "value": json, "expect": expect, "ttl": seconds(ttl), "ts": ts}
        case Delete(expect=expect):
            return {"op": "delete", "key": key, "expect": expect}
        case Check(expect=expect):
            return {"op": "check", "key": key, "expect": expect}


# Listings.


def keys(prefix: str | None, values: bool, limit: int, cursor: Any) -> Call[responses.Page]:
    query = target("/keys", prefix=prefix, values="true" if values else None, limit=limit, cursor=cursor)
    return Call("GET", query, responses.read_keys, is_fresh=True)


def history(key: str, limit: int, before: Any) -> Call[responses.Page]:
    query = target("/history", key=_check_key(key), limit=limit, before=before)
    return Call("GET", query, responses.read_history, key=key)


def changes(patterns: Iterable[str], event: EventFilter, since: int) -> Call[ChangesPage | None]:
    query = target("/changes", event=event, since=since, wait=0, pattern=list(patterns))
    return Call("GET", query, responses.read_changes)


# Schemas, and the rest.


def get_schema(key: str) -> Call[StoredSchema]:
    return Call("GET", target("/schema", key=_check_key(key)), responses.read_stored_schema, key=key)


def set_schema(
    key: str, schema: JsonSchema, *, expect: int | None = None, idempotency_key: str | None = None
) -> Call[SchemaWritten]:
    fields = {"schema": Json(encode(schema, key)), "expect": expect}
    return _write("/schema", key, fields, responses.read_schema_written, idempotency_key)


def delete_schema(key: str, *, expect: int | None = None, idempotency_key: str | None = None) -> Call[SchemaWritten]:
    # As a form: what its Idempotency-Key covers is then the same over HTTP and over a socket.
    query = "/schema?" + _form(key=_check_key(key), expect=expect)
    id_ = check_idempotency_key(idempotency_key)
    return Call("DELETE", query, responses.read_schema_written, key=key, idempotency_key=id_)


def health() -> Call[Health]:
    return Call("GET", "/health", responses.read_health)


def whoami() -> Call[WhoAmI]:
    return Call("GET", "/whoami", responses.read_whoami)


# What a subscription needs besides its socket.


def check_access(keys: Sequence[str]) -> Call[ChangesPage | None]:
    """Fails if the API key may not read one of the keys. memX just does not send the changes of such a key."""
    if len(keys) == 1:
        # The cheapest call that needs the right to read.
        return Call("GET", target("/get", key=keys[0]), _nothing, key=keys[0])
    return Call("POST", "/read", _nothing, _body({"keys": list(keys)}))


def _nothing(_: Any) -> None:
    pass


# What the calls share.


class Json(str):
    """A text that is JSON already."""

    __slots__ = ()


def target(path: str, **query: str | int | list[str] | None) -> str:
    """Returns a path with a query, percent-encoded as docs/protocol.md says."""
    lists = ((name, value if isinstance(value, list) else [value]) for name, value in query.items())
    flat = ((name, each) for name, values in lists for each in values if each is not None)
    pairs = [f"{name}={quote(str(each), safe='')}" for name, each in flat]
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def _form(**fields: object) -> str:
    """Encodes fields as browsers encode a form."""
    return "&".join(
        f"{name}={quote_plus(str(value), safe='*').replace('~', '%7E')}" for name, value in _present(fields).items()
    )


def check_text(text: str, name: str) -> None:
    """Refuses a key or pattern that memX would refuse, because memX would refuse the shared socket with it."""
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"A {name} must be a str, not {type(text).__name__}.")
    if is_well_formed(text) and 1 <= len(text.encode()) <= 512 and not _CONTROL.search(text):
        return
    message = f"A {name} must have 1 to 512 bytes of UTF-8 and no control characters."
    raise InvalidRequestError("invalid_request", message)


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def check_list(name: str, items: Iterable[R]) -> list[R]:
    """Refuses a text or a mapping, which is iterable too, and never what the caller means."""
    if isinstance(items, (str, bytes, dict)):
        raise TypeError(f"{name} must be a list.")
    return list(items)


def seconds(ttl: Ttl | None) -> float | str | None:
    """Returns a time to live as the protocol has it."""
    return ttl.total_seconds() if isinstance(ttl, timedelta) else ttl


def check_idempotency_key(key: str | None) -> str:
    """Returns a caller's `Idempotency-Key`, or a new one."""
    if key is None:
        return random_id()
    if not re.fullmatch("[!-~]{1,255}", key):
        message = "An idempotency_key must have 1 to 255 visible ASCII characters without spaces."
        raise InvalidRequestError("invalid_request", message)
    return key


def _check_key(key: str) -> str:
    # memX checks everything else. A key that UTF-8 cannot say would reach memX as another key.
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"A key must be a str, not {type(key).__name__}.")
    if not is_well_formed(key):
        raise InvalidRequestError("invalid_request", "A key must not contain a lone surrogate.")
    return key


def _write(
    path: str,
    key: str,
    fields: Mapping[str, object],
    read: Callable[[Any], R],
    idempotency_key: str | None,
) -> Call[R]:
    body = _body({"key": _check_key(key), **fields})
    return Call("POST", path, read, body, key, check_idempotency_key(idempotency_key))


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _body(fields: Mapping[str, object]) -> Json:
    return Json("{" + ",".join(f'"{name}":{_field(value)}' for name, value in _present(fields).items()) + "}")


def _field(value: object) -> str:
    if isinstance(value, Json):
        return value
    if isinstance(value, dict):
        return _body(cast("dict[str, object]", value))
    if isinstance(value, list):
        return "[" + ",".join(_field(item) for item in cast("list[object]", value)) + "]"
    return encode(value)
