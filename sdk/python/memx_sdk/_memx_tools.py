"""What the tools of tools.json do, over a client: the same as memX's MCP server does, for frameworks that call tools in
process. Results are small enough for a model's context. tools.json is a copy of sdk/tools.json, which MCP reads too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from . import _calls as calls
from . import _responses as responses
from ._errors import ConflictError, InvalidRequestError, MemxError
from ._glob import escape_key
from ._groups import in_groups
from ._json import encode
from ._models import BatchOperation, Check, KeyEntry, Set
from ._steps import Steps
from ._tool_input import check_input
from ._tool_texts import (
    MISSING,
    SHOWN_CHARS,
    cut_text,
    describe,
    describe_parts,
    fit_list,
    fits,
    present,
    read_part,
    some,
)

_DEFINITIONS: dict[str, Any] = json.loads((Path(__file__).parent / "tools.json").read_text("utf-8"))

INSTRUCTIONS: str = _DEFINITIONS["instructions"]
TOOLS: dict[str, dict[str, Any]] = {tool["name"]: tool for tool in _DEFINITIONS["tools"]}

MAX_READ = 16

Arguments: TypeAlias = "dict[str, Any]"
Result: TypeAlias = "dict[str, Any]"


class ToolFailure(Exception):
    """A failure that the agent can act on. Its text says what is wrong, and what to do next."""


def is_read_only(name: str) -> bool:
    return TOOLS[name]["annotations"].get("readOnlyHint") is True


def call_tool(name: str, arguments: Arguments, prefix: str) -> Steps[Result]:
    """Does what a tool says.

    Raises:
        ToolFailure: What to tell the agent.
    """
    try:
        check_input(TOOLS[name]["inputSchema"], arguments)
        given = {("start" if each == "prefix" else each): value for each, value in arguments.items()}
        return (yield from _RUN[name](prefix, **given))
    except MemxError as error:
        raise ToolFailure(describe(error, prefix, is_read_only(name))) from error


def _get(prefix: str, key: str, path: str = "", offset: int = 0) -> Steps[Result]:
    entry = yield calls.get(prefix + key)
    if entry is None:
        return {"found": False}
    part = read_part(entry.value, path)
    if part is MISSING:
        return {"found": False, "ts": entry.ts, "revision": entry.revision}
    text = encode(part)
    if offset == 0 and fits(text):
        return {"found": True, **present(entry), "value": part}
    version = {name: value for name, value in present(entry).items() if name != "value"}
    if offset >= len(text):
        raise InvalidRequestError("invalid_request", f"/offset: The value has only {len(text)} characters.")
    piece = cut_text(text, offset)
    following = offset + len(piece)
    if following == len(text):
        note = f"This is the end of the value, from character {offset} on."
        return {"found": True, **version, "part": piece, "note": note}
    note = (
        f"These are the characters {offset} to {following} of {len(text)}. Read on with `offset`: {following}, "
        f"or read a part with `path`: {describe_parts(part)}. If `revision` changes, begin again."
    )
    return {"found": True, **version, "part": piece, "next": following, "note": note}


def _list(prefix: str, start: str = "", cursor: str = "", limit: int = 50, values: bool = False) -> Steps[Result]:
    # The cursor is the last key of the previous page.
    found: list[KeyEntry[Any]] = []
    size = 1_000 if cursor else min(limit + 1, 1_000)
    position: Any = None
    while len(found) <= limit:
        page = yield calls.keys(prefix + start, False, size, position)
        items: list[KeyEntry[Any]] = page.items
        found.extend(each for each in items if not cursor or each.key > prefix + cursor)
        position = page.cursor
        if position is None:
            break
    shown: list[dict[str, Any]] = [present(each) for each in found[:limit]]
    if values:
        shown = []
        for group in in_groups([each.key for each in found[:limit]], MAX_READ):
            entries = (yield calls.get_many(group)).entries
            pairs = zip(group, entries, strict=True)
            shown.extend({"key": key, **present(entry), "value": entry.value} for key, entry in pairs if entry)
    listed, left = fit_list(_without_prefix(shown, prefix))
    more = left or len(found) > limit
    return {"keys": listed, "cursor": listed[-1]["key"] if more and listed else None}


def _history(prefix: str, key: str, limit: int = 10, before: int | None = None) -> Steps[Result]:
    page = yield calls.history(prefix + key, limit, before)
    items, _ = fit_list(_without_prefix((_event(change) for change in page.items), prefix))
    return {"changes": items, "cursor": items[-1]["revision"] if items and items[-1]["previous"] > 0 else None}


def _schema(prefix: str, key: str) -> Steps[Result]:
    try:
        stored = yield calls.get_schema(prefix + key)
    except MemxError as error:
        if error.code != "not_found":
            raise
        return {"found": False}
    return {"found": True, "schema": stored.schema, "revision": stored.revision}


def _wait(prefix: str, patterns: list[str], since: int | None = None, seconds: int = 20) -> Steps[Result]:
    wanted = [escape_key(prefix) + each for each in patterns]
    query = calls.target("/changes", since=since, wait=seconds, pattern=wanted)
    page = yield calls.Call("GET", query, responses.read_changes, wait=seconds)
    items, left = fit_list(_without_prefix((_event(change) for change, _ in page.changes), prefix))
    result: Result = {"changes": items, "revision": page.revision, "reset": page.reset}
    if left and (page.reset or since == 0):
        note = "There is more than fits here. Read it with memx_list and memx_get, and wait from `revision`."
        return {**result, "note": note}
    # The next call can begin after the last change of this one. A snapshot has no such place.
    return {**result, "revision": items[-1]["revision"]} if left else result


def _set(prefix: str, key: str, value: Any, holding: Any = None, **options: Any) -> Steps[Result]:
    if holding is None:
        return _version((yield calls.set(prefix + key, value, **options)))
    operations: list[BatchOperation] = [
        Check(prefix + holding["key"], holding["token"]),
        Set(prefix + key, value, **options),
    ]
    try:
        return _version((yield calls.batch(operations)).results[1])
    except ConflictError as error:
        if not (error.errors and error.errors[0].path.startswith("/operations/0")):
            raise
        name = json.dumps(holding["key"], ensure_ascii=False)
        raise ConflictError(
            "conflict",
            f"Your claim on {name} has expired or was released, so nothing was written. Another agent may do the work "
            f"now: claim {name} again before you go on.",
        ) from None


def _merge(prefix: str, key: str, changes: Any, **options: Any) -> Steps[Result]:
    return _patched((yield calls.patch(prefix + key, calls.merge(changes, key), **options)))


def _append(
    prefix: str, key: str, items: list[Any], path: str | None = None, limit: int | None = None
) -> Steps[Result]:
    return _patched((yield calls.patch(prefix + key, calls.append(items, path, limit, key))))


def _increment(prefix: str, key: str, by: Any, path: str | None = None) -> Steps[Result]:
    result = yield calls.patch(prefix + key, calls.increment(by, path, key))
    return {**_version(result), "value": read_part(result.value, path or "")}


def _delete(prefix: str, key: str, expect: int | None = None) -> Steps[Result]:
    result = yield calls.delete(prefix + key, expect=expect)
    return {"deleted": result.deleted, "revision": result.revision}


def _claim(prefix: str, key: str, holder: str, seconds: int = 60, token: int = 0) -> Steps[Result]:
    try:
        written = yield calls.set(prefix + key, holder, expect=token, ttl=seconds)
    except ConflictError as error:
        other = error.current_entry
        if other is None:
            return {"claimed": False}
        return {"claimed": False, "holder": other.value, **some(expires=other.expires)}
    return {"claimed": True, "token": written.revision}


def _release(prefix: str, key: str, token: int) -> Steps[Result]:
    try:
        yield calls.delete(prefix + key, expect=token)
    except ConflictError:
        return {"released": False}
    return {"released": True}


_RUN: dict[str, Callable[..., Steps[Result]]] = {
    "memx_get": _get,
    "memx_list": _list,
    "memx_history": _history,
    "memx_schema": _schema,
    "memx_wait": _wait,
    "memx_set": _set,
    "memx_merge": _merge,
    "memx_append": _append,
    "memx_increment": _increment,
    "memx_delete": _delete,
    "memx_claim": _claim,
    "memx_release": _release,
}


def _event(change: Any) -> dict[str, Any]:
    found = present(change)
    if change.action == "set":
        found[change.event] = getattr(change, change.event)
    return found


def _without_prefix(items: Iterable[dict[str, Any]], prefix: str) -> Iterable[dict[str, Any]]:
    return ({**item, "key": item["key"].removeprefix(prefix)} for item in items)


def _version(written: Any) -> Result:
    return {"revision": written.revision, "ts": written.ts}


def _patched(result: Any) -> Result:
    # The agent knows what it changed.
    text = encode(result.value)
    shown = {"value": result.value} if len(text) <= SHOWN_CHARS else {"bytes": len(text.encode())}
    return {**_version(result), **shown}
