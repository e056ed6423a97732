"""The messages of a socket of calls: a call as its text, and the reply in an answer's text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ._calls import Call
from ._options import Options
from ._reads import read_revision

CALLS_SUBPROTOCOL = "memx.calls.v1"

MAX_FRAME_BYTES = 1024 * 1024
"""As in config/limits.ts of memX."""

_NAMES = {
    "POST /set": "set",
    "GET /get": "get",
    "POST /read": "read",
    "POST /delete": "delete",
    "POST /patch": "patch",
    "POST /batch": "batch",
    "POST /bulk": "bulk",
    "GET /keys": "keys",
    "GET /history": "history",
    "GET /schema": "schema_get",
    "POST /schema": "schema_set",
    "DELETE /schema": "schema_delete",
}

# The members before the body are numbers, and nothing follows the body.
_ANSWER = re.compile(r'\{((?:"\w+":[\d.]+,)+)"body":')
_NUMBER = re.compile(r'"(\w+)":([\d.]+),')


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a call."""

    status: int
    text: str
    retry: str | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """The socket ended before it answered the call."""

    reason: str
    timed_out: bool = False
    opening: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A call as the text of a message, without its id."""

    name: str
    rest: str
    size: int


def message_of(call: Call[Any], options: Options) -> Message | None:
    """Returns the message of a call, or None for one that only HTTP has, or has room for."""
    parts = urlsplit(call.target)
    name = _NAMES.get(f"{call.method} {parts.path}")
    if name is None:
        return None
    fields: dict[str, str] = {"call": name}
    if call.idempotency_key is not None:
        fields["idempotency"] = call.idempotency_key
        if options.agent is not None:
            fields["agent"] = options.agent
    body = call.body
    if body is None:
        body = json.dumps(dict(parse_qsl(parts.query, keep_blank_values=True)), separators=(",", ":"))
    rest = f',{json.dumps(fields, separators=(",", ":"))[1:-1]},"body":{body}}}'
    size = len(rest.encode()) + 32
    return None if size > MAX_FRAME_BYTES else Message(name, rest, size)


def split_frame(frame: str) -> list[str]:
    """Returns the answers of a frame. JSON has no line break between `}` and `{`, because it needs a comma there."""
    parts = frame.split("}\n{")
    last = len(parts) - 1
    return [f"{'{' if at > 0 else ''}{part}{'}' if at < last else ''}" for at, part in enumerate(parts)]


def read_answer(text: str) -> tuple[int, Reply] | None:
    """Returns the id and the reply of an answer, or None for a text that is none."""
    found = _ANSWER.match(text)
    if found is None or not text.endswith("}"):
        return None
    numbers = dict(_NUMBER.findall(found[1]))
    if "id" not in numbers or "status" not in numbers:
        return None
    body = text[found.end() : -1]
    return int(numbers["id"]), Reply(
        int(numbers["status"]), body, numbers.get("retry"), read_revision(numbers.get("revision"))
    )
