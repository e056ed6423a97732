"""What both LangGraph stores share: keys, items, and what a batch does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, TypeAlias, cast

from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    validate_op_namespace,
)

from . import _calls as calls
from ._errors import ConflictError, InvalidRequestError
from ._glob import escape_key
from ._groups import in_batches, in_groups
from ._langgraph_filter import fixed_part, matches, meets
from ._models import BatchOperation, Delete, Entry, KeyEntry, Set, ValueEvent
from ._segments import decode_segments, encode_segment
from ._steps import Steps

Namespace: TypeAlias = "tuple[str, ...]"
Change: TypeAlias = Callable[["dict[str, Any] | None"], "Mapping[str, Any] | None"]

MAX_READ = 16
"""So many values fit in one response of memX, however large they are."""

MAX_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """A change of an item. `item` is None unless `action` is "set"."""

    action: Literal["set", "delete", "expire"]
    namespace: Namespace
    key: str
    item: Item | None
    revision: int


class Store(BaseStore):
    """What both stores share. Methods that return `Steps` yield the calls of memX, and get their results."""

    supports_ttl: bool = True

    def __init__(self, prefix: str, ttl: TTLConfig | None) -> None:
        self.ttl_config: TTLConfig | None = cast("TTLConfig", {"refresh_on_read": False, **(ttl or {})})
        self._prefix = prefix

    def _run(self, ops: Iterable[Op]) -> Steps[list[Result]]:
        ops = list(ops)
        puts: dict[str, BatchOperation] = {}
        gets: dict[str, Item | None] = {}
        refreshed: set[str] = set()
        for op in ops:
            validate_op_namespace(op)
            if isinstance(op, PutOp):
                name = self._name(op.namespace, op.key)
                puts[name] = self._operation(name, op)
            elif isinstance(op, GetOp):
                name = self._name(op.namespace, op.key)
                gets[name] = None
                if op.refresh_ttl:
                    refreshed.add(name)
        for group in in_groups(list(gets), MAX_READ):
            found = (yield calls.get_many(group)).entries
            entries = {name: entry for name, entry in zip(group, found, strict=True) if entry is not None}
            gets.update({name: self._item(name, entry) for name, entry in entries.items()})
            yield from _refresh({name: entry for name, entry in entries.items() if name in refreshed})
        results: list[Result] = []
        for op in ops:
            if isinstance(op, SearchOp):
                results.append((yield from self._search(op)))
            elif isinstance(op, ListNamespacesOp):
                results.append((yield from self._list(op)))
            else:
                results.append(gets[self._name(op.namespace, op.key)] if isinstance(op, GetOp) else None)
        for batch in in_batches(list(puts.values())):
            yield calls.batch(batch)
        return results

    def _search(self, op: SearchOp) -> Steps[list[SearchItem]]:
        found: list[tuple[KeyEntry[Any], SearchItem]] = []
        end = op.offset + op.limit
        size = MAX_KEYS if op.filter else min(max(end, 1), MAX_KEYS)
        cursor: Any = None
        while len(found) < end:
            page = yield calls.keys(self._start(op.namespace_prefix), True, size, cursor)
            for entry in page.items:
                item = self._item(entry.key, entry)
                if item is not None and all(matches(item.value.get(k), v) for k, v in (op.filter or {}).items()):
                    found.append((entry, item))
            cursor = page.cursor
            if cursor is None:
                break
        found = found[op.offset : end]
        if op.refresh_ttl:
            yield from _refresh({entry.key: entry for entry, _ in found})
        return [item for _, item in found]

    def _list(self, op: ListNamespacesOp) -> Steps[list[Namespace]]:
        conditions = op.match_conditions or ()
        found: set[Namespace] = set()
        cursor: Any = None
        while True:
            page = yield calls.keys(self._start(fixed_part(conditions)), False, MAX_KEYS, cursor)
            places = [self._place(entry.key) for entry in page.items]
            namespaces = [place[0] for place in places if place is not None]
            found.update(each[: op.max_depth] for each in namespaces if all(meets(c, each) for c in conditions))
            cursor = page.cursor
            if cursor is None:
                return sorted(found)[op.offset : op.offset + op.limit]

    def _operation(self, name: str, op: PutOp) -> BatchOperation:
        if not op.namespace:
            raise InvalidNamespaceError("Namespace cannot be empty.")
        if op.value is None:
            return Delete(name)
        return Set(name, _checked(name, op.value), ttl=None if op.ttl is None else op.ttl * 60)

    def _start(self, namespace: Namespace) -> str:
        return self._prefix + "".join(f"{encode_segment(label)}/" for label in namespace)

    def _name(self, namespace: Namespace, key: str) -> str:
        return self._start(namespace) + encode_segment(key)

    def _place(self, name: str) -> tuple[Namespace, str] | None:
        """Returns None for a key that is not the key of an item: another program wrote it."""
        *namespace, key = decode_segments(name[len(self._prefix) :]) or [""]
        return (tuple(namespace), key) if namespace and all(namespace) else None

    def _item(self, name: str, entry: Entry[Any] | KeyEntry[Any] | ValueEvent[Any]) -> SearchItem | None:
        place, value = self._place(name), cast("object", entry.value)
        if place is None or not isinstance(value, dict):
            return None
        created = entry.ts if entry.created is None else entry.created
        value = cast("dict[str, Any]", value)
        return SearchItem(*place, value, created_at=_time(created), updated_at=_time(entry.ts))

    def _event(self, change: ValueEvent[Any]) -> StoreEvent | None:
        place = self._place(change.key)
        item = self._item(change.key, change) if change.action == "set" else None
        return None if place is None else StoreEvent(change.action, *place, item, change.revision)

    def _pattern(self, namespace_prefix: Namespace) -> str:
        return f"{escape_key(self._start(namespace_prefix))}*"

    def _update(self, namespace: Namespace, key: str, change: Change) -> tuple[str, Callable[[Any], object], Any]:
        """Returns the arguments of a client's `update`."""
        name = self._name(namespace, key)
        self._operation(name, PutOp(namespace, key, {}))
        minutes = (self.ttl_config or {}).get("default_ttl")

        def apply(value: Any) -> object:
            changed = change(value if isinstance(value, dict) else None)  # pyright: ignore[reportUnknownArgumentType]
            return None if changed is None else _checked(name, changed)

        return name, apply, "keep" if minutes is None else minutes * 60

    def _lease_key(self, namespace: Namespace, key: str) -> str:
        # No item has this key, because a segment has no `%l`.
        return f"{self._name(namespace, key)}/%lease"


def _refresh(entries: Mapping[str, Entry[Any] | KeyEntry[Any]]) -> Steps[None]:
    """Starts the time of the items again, for as long as it was."""
    for name, entry in entries.items():
        if entry.expires is not None:
            ttl = max(1.0, entry.expires - entry.ts)
            with suppress(ConflictError):  # Another client has written meanwhile.
                yield calls.patch(name, calls.merge({}, name), expect=entry.revision, ttl=ttl)


def _checked(name: str, value: object) -> object:
    if not isinstance(value, Mapping):
        raise InvalidRequestError("invalid_request", "The value of an item must be a dict.", key=name)
    return cast("object", value)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
