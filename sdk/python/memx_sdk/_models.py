"""The results of the calls, the operations of a batch, and the events of a subscription."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Literal, TypeAlias, TypeVar

T = TypeVar("T")

JsonSchema: TypeAlias = "bool | Mapping[str, Any]"
"""A JSON Schema: draft 4, 6, 7, 2019-09, or 2020-12."""

Ttl: TypeAlias = "float | timedelta | Literal['keep']"
"""Time until a value expires: seconds, a `timedelta`, or "keep" for the time that is left."""

EventFilter: TypeAlias = Literal["value", "schema", "all"]
"""Which changes a subscription delivers."""

Status: TypeAlias = Literal["connecting", "live", "behind", "closed"]
"""The state of a subscription.

`connecting`: not connected, or not up to date yet. `behind`: the consumer is slow, and the subscription catches up once
the consumer has read what waits.
"""


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A key's current value, with its version."""

    value: T
    ts: float
    """Time of the write, in seconds since the epoch."""
    revision: int
    """Position in the order of all changes of the memory. `expect` compares it."""
    expires: float | None = None
    """Time at which the value expires, in seconds since the epoch. None if it does not expire."""
    created: float | None = None
    """`ts` of the first write since the key held nothing. None if memX does not say."""
    by: str | None = None
    """The agent that wrote the value. None if it did not name itself."""


@dataclass(frozen=True, slots=True)
class Entries(Generic[T]):
    """The entries of several keys at one moment."""

    entries: tuple[Entry[T] | None, ...]
    """In the order of the keys. None for a key that holds nothing."""
    revision: int
    """The last change that the entries have. A subscription may begin after it."""


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a write."""

    updated: bool
    """False if the key has a `ts` that is not earlier than the one sent: then nothing changed."""
    revision: int
    ts: float


@dataclass(frozen=True, slots=True)
class Patched(Generic[T]):
    """The result of a change to a part of a value. `value` is the whole value after it."""

    value: T
    updated: bool
    revision: int
    ts: float


@dataclass(frozen=True, slots=True)
class Deleted:
    """The result of a deletion. `deleted` is False if the key held nothing."""

    deleted: bool
    revision: int


@dataclass(frozen=True, slots=True)
class SchemaWritten:
    """The result of setting or deleting a schema."""

    revision: int


@dataclass(frozen=True, slots=True)
class StoredSchema:
    """A key's current schema, with its revision. `expect` of `set_schema` and `delete_schema` compares the revision."""

    key: str
    schema: JsonSchema
    revision: int


@dataclass(frozen=True, slots=True)
class KeyEntry(Generic[T]):
    """A listed key. `value` is None unless the caller asked for values."""

    key: str
    ts: float
    revision: int
    value: T | None = None
    expires: float | None = None
    created: float | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The state of memX: `status` is "ok", and `store` is the kind of store."""

    status: str
    store: str
    version: str


@dataclass(frozen=True, slots=True)
class Scopes:
    """Globs over keys: the API key may read or write a key if one of them matches it."""

    read: tuple[str, ...]
    write: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """What the API key may do, and which memX this is."""

    name: str | None
    """What the operator calls the API key. None if it has no name."""
    engine: str
    """The kind of store."""
    version: str
    scopes: Scopes
    limits: Mapping[str, int]
    """memX's limits by name. docs/protocol.md has their units."""


@dataclass(frozen=True, slots=True)
class Set:
    """An operation of a batch: writes a value. The fields are those of `MemX.set`."""

    key: str
    value: object
    expect: int | None = None
    ttl: Ttl | None = None
    ts: float | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """An operation of a batch: deletes a value."""

    key: str
    expect: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """An operation of a batch that writes nothing: it requires that the key has a revision."""

    key: str
    expect: int


BatchOperation: TypeAlias = "Set | Delete | Check"


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of one operation: a `Set` has `updated` and `ts`, a `Delete` has `deleted`."""

    revision: int
    updated: bool | None = None
    deleted: bool | None = None
    ts: float | None = None


@dataclass(frozen=True, slots=True)
class Batched:
    """The results of a batch, in the order of its operations."""

    results: tuple[BatchResult, ...]


@dataclass(frozen=True, slots=True)
class ValueEvent(Generic[T]):
    """A change of a value. `value` is None unless `action` is "set"."""

    action: Literal["set", "delete", "expire"]
    key: str
    value: T | None
    ts: float
    """Seconds since the epoch."""
    revision: int
    previous: int
    """Revision of the previous change to the same key. 0 for the first change, and in a snapshot."""
    expires: float | None = None
    created: float | None = None
    by: str | None = None
    event: Literal["value"] = "value"


@dataclass(frozen=True, slots=True)
class SchemaEvent:
    """A change of a schema. `schema` is None if `action` is "delete"."""

    action: Literal["set", "delete"]
    key: str
    schema: JsonSchema | None
    ts: float
    revision: int
    previous: int
    by: str | None = None
    event: Literal["schema"] = "schema"


ChangeEvent: TypeAlias = "ValueEvent[T] | SchemaEvent"
"""One applied change."""


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """A response of `/changes`: the events, each with the length of its text."""

    changes: tuple[tuple[ValueEvent[Any] | SchemaEvent, int], ...]
    revision: int
    reset: bool
