"""Keeps the results of tools small enough for a model's context. What is left out can be read with another call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, cast

from ._errors import ConflictError, MemxError
from ._json import encode, escape_pointer
from ._models import Entry

MAX_BYTES = 32 * 1024
"""Bytes of UTF-8 in one result, as in config/limits.ts of memX."""

SHOWN_CHARS = 4_096
"""Characters of a changed value that a result shows."""

SHOWN_PARTS = 20
SHOWN_NAME_CHARS = 100

MISSING = object()


def fits(text: str) -> bool:
    return len(text.encode()) <= MAX_BYTES


def cut_text(text: str, start: int) -> str:
    """As much of a text from `start` as fits in one result, in whole characters."""
    return text[start : start + MAX_BYTES].encode()[:MAX_BYTES].decode(errors="ignore")


def fit_list(all_items: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """The first items that fit in one result, at least one, and whether there are more.

    An item that is too large has its size in place of its value.
    """
    items: list[dict[str, Any]] = []
    total = 0
    for item in all_items:
        size = len(encode(item).encode())
        total += size
        if items and total > MAX_BYTES:
            return items, True
        items.append(_without_value(item) if size > MAX_BYTES else item)
    return items, False


def _without_value(item: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(item)
    for name in ("value", "schema"):
        if name in found:
            found["bytes"] = len(encode(found.pop(name)).encode())
    return found


def read_part(value: Any, pointer: str) -> Any:
    """The part at a JSON Pointer (RFC 6901), or `MISSING`."""
    if pointer == "":
        return value
    if not pointer.startswith("/"):
        return MISSING
    part = value
    for step in pointer[1:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(part, dict):
            part = cast("dict[str, Any]", part).get(name, MISSING)
        elif isinstance(part, list) and re.fullmatch("0|[1-9][0-9]*", name):
            items = cast("list[Any]", part)
            part = items[int(name)] if int(name) < len(items) else MISSING
        else:
            return MISSING
    return part


def describe_parts(value: Any) -> str:
    """Which parts a value has, for a note."""
    if isinstance(value, list):
        return f"/0 to /{len(cast('list[Any]', value)) - 1}"
    if not isinstance(value, dict):
        return "it has no parts"
    parts = [(f"/{escape_pointer(name)}", len(encode(part))) for name, part in cast("dict[str, Any]", value).items()]
    shown = [f"{step} ({chars} characters)" for step, chars in parts if len(step) <= SHOWN_NAME_CHARS]
    more = f", and {len(shown) - SHOWN_PARTS} more" if len(shown) > SHOWN_PARTS else ""
    return ", ".join(shown[:SHOWN_PARTS]) + more


def some(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def present(entry: Any) -> dict[str, Any]:
    return some(**asdict(entry))


def describe(error: MemxError, prefix: str, read_only: bool) -> str:
    # memX names a key as JSON.
    message = str(error).replace(encode(prefix)[:-1], '"')
    lines = [f"{error.code}: {message}"]
    knows_current = isinstance(error, ConflictError) and error.knows_current
    current = cast("ConflictError", error).current_entry if knows_current else None
    if knows_current:
        text = "null" if current is None else encode({**present(current), "value": current.value})
        lines.append(f"current: {text if fits(text) else cut_text(text, 0) + ' … (cut: read it with memx_get)'}")
    following = _next_step(error.code, knows_current, current, read_only)
    return "\n".join([*lines, *([f"Next: {following}"] if following else [])])


def _next_step(code: str, knows_current: bool, current: Entry[Any] | None, read_only: bool) -> str | None:
    if code == "conflict":
        if not knows_current:
            return "read the key with memx_get, decide again, and write again."
        if current is None:
            return "the key has no value now. To create it, pass `expect: 0`."
        return "decide again on the basis of `current`, and pass its revision as `expect`."
    if code in ("rate_limited", "store_unavailable", "internal", "network", "timeout"):
        written = "read the key to see whether the write was applied. If not, "
        return "try again later." if read_only else f"{written}try again later."
    return _NEXT.get(code)


_NEXT = {
    "schema_violation": "read the key's schema with memx_schema, correct the value, and write again.",
    "invalid_request": "correct the input, and call the tool again.",
    "forbidden": "use a key that your API key allows.",
    "too_large": "write less, or use several keys.",
}
