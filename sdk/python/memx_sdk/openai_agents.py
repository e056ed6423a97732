"""A session of the OpenAI Agents SDK in memX, which several processes may share. It needs
`pip install memx-sdk[openai-agents]`.

The head of a session is a key that says which segments it has; a segment is a key with the items of one `add_items`.
Every change writes the head with `expect`, in one batch with the segments, so changes follow one another. The adapter
for TypeScript stores sessions in the same way.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from agents import SessionSettings, TResponseInputItem

from ._async_client import AsyncMemX
from ._errors import ConflictError
from ._groups import in_groups, json_bytes
from ._json import encode
from ._models import BatchOperation, Delete, Set
from ._segments import encode_segment
from ._update import Conflicts

__all__ = ["MemxSession"]

MAX_SEGMENT_BYTES = 250 * 1024
"""A value of memX has at most 256 KiB. An item that is larger is refused."""

MAX_STEP_BYTES = 900 * 1024
"""A batch of memX has at most 1 MiB."""

MAX_READ = 15
"""So many segments fit in one response of memX with the head, however large they are."""

MAX_DELETED = 100
DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class _Head:
    """The session has the segments from `first` to before `next`.

    `rewrites` counts the changes that did not only add some, and `clears` those that began the session anew.
    """

    first: int
    next: int
    rewrites: int
    clears: int
    revision: int


class MemxSession:
    """A session in memX.

    Args:
        session_id: Identifies the conversation.
        prefix: The start of the keys of all sessions.
        receipt_seconds: How long the session knows an `operation_id`.

    Example:
        >>> session = MemxSession("ada", memx)
        >>> await Runner.run(agent, "What did I ask you yesterday?", session=session)
    """

    session_id: str
    session_settings: SessionSettings | None

    def __init__(
        self,
        session_id: str,
        memx: AsyncMemX,
        prefix: str = "sessions/",
        *,
        session_settings: SessionSettings | None = None,
        receipt_seconds: float = 30 * DAY,
    ) -> None:
        self.session_id = session_id
        self.session_settings = session_settings or SessionSettings()
        self._memx = memx
        self._key = prefix + encode_segment(session_id)
        self._receipt_seconds = receipt_seconds

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Returns the items, or the newest `limit` of them, in order."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        if limit is not None and limit <= 0:
            return []
        segments = await self._read_back(limit)
        items = [item for _, each in segments for item in each]
        return items if limit is None else items[-limit:]

    async def add_items(self, items: list[TResponseInputItem], *, operation_id: str | None = None) -> None:
        """Adds items in one step. More than 900 KiB need several steps, and others may add in between.

        Args:
            operation_id: Identifies the call, so that a repeat adds nothing, also after a crash.

        Raises:
            ConflictError: The `operation_id` was that of other items.
        """
        for number, step in enumerate(in_groups(items, len(items), MAX_STEP_BYTES, json_bytes)):
            await self._add(step, None if operation_id is None else f"{operation_id}/{number}")

    async def pop_item(self) -> TResponseInputItem | None:
        """Removes the newest item, and returns it. Returns None if there is none."""
        conflicts = Conflicts(None)
        while True:
            head = await self._read_head()
            segments = await self._read_back(1)
            if not segments:
                return None
            number, items = segments[-1]
            try:
                await self._change(head, number, items[:-1])
            except ConflictError as conflict:
                await asyncio.sleep(conflicts.after(conflict))
            else:
                return items[-1]

    async def clear_session(self) -> None:
        """Removes all items in one step."""
        conflicts = Conflicts(None)
        while True:
            head = await self._read_head()
            try:
                await self._change(head, head.next, [], clear=True)
                break
            except ConflictError as conflict:
                await asyncio.sleep(conflicts.after(conflict))
        # What is left of the segments if this is interrupted belongs to no session.
        for group in in_groups(range(head.first, head.next), MAX_DELETED):
            await self._memx.batch([Delete(self._segment_key(number)) for number in group])

    async def _add(self, items: Sequence[TResponseInputItem], operation_id: str | None) -> None:
        conflicts = Conflicts(None)
        while True:
            head = await self._read_head()
            receipt = None if operation_id is None else self._receipt(head, operation_id, items)
            known = await self._memx.get(receipt.key) if receipt else None
            if receipt and known:
                if known.value != receipt.value:
                    raise ConflictError("conflict", "The operation_id was that of other items.", key=receipt.key)
                return
            try:
                await self._change(head, head.next, items, more=[receipt] if receipt else [])
            except ConflictError as conflict:
                await asyncio.sleep(conflicts.after(conflict))
            else:
                return

    def _receipt(self, head: _Head, operation_id: str, items: Sequence[TResponseInputItem]) -> Set:
        key = f"{self._key}/%operation/{head.clears}/{encode_segment(operation_id)}"
        fingerprint = hashlib.sha256(encode(items).encode()).hexdigest()
        return Set(key, fingerprint, expect=0, ttl=self._receipt_seconds)

    async def _read_head(self) -> _Head:
        entry = await self._memx.get(self._key)
        return _Head(0, 0, 0, 0, 0) if entry is None else _Head(**entry.value, revision=entry.revision)

    async def _read_back(self, wanted: int | None) -> list[tuple[int, list[TResponseInputItem]]]:
        """Reads segments from the end, until they have so many items. All of them are of one moment."""
        while True:
            head = await self._read_head()
            segments: list[tuple[int, list[TResponseInputItem]]] = []
            count, end, is_current = 0, head.next, True
            while is_current and end > head.first and (wanted is None or count < wanted):
                numbers = range(max(head.first, end - MAX_READ), end)
                keys = [self._key, *map(self._segment_key, numbers)]
                current, *found = (await self._memx.get_many(keys)).entries
                is_current = current is not None and current.value["rewrites"] == head.rewrites
                items = [cast("list[Any]", entry.value) if entry else [] for entry in found]
                segments[:0] = zip(numbers, items, strict=True)
                count += sum(map(len, items))
                end -= MAX_READ
            if is_current:
                return segments

    async def _change(
        self,
        head: _Head,
        start: int,
        items: Sequence[TResponseInputItem],
        *,
        clear: bool = False,
        more: Sequence[BatchOperation] = (),
    ) -> None:
        """Puts items in the place of the segments from `start` on, in one step."""
        segments = in_groups(items, len(items), MAX_SEGMENT_BYTES, json_bytes)
        end = start + len(segments)
        value = {
            "first": start if clear else head.first,
            "next": end,
            "rewrites": head.rewrites + int(start < head.next or clear),
            "clears": head.clears + int(clear),
        }
        operations: list[BatchOperation] = [Set(self._key, value, expect=head.revision)]
        operations += [Set(self._segment_key(start + at), each) for at, each in enumerate(segments)]
        operations += [Delete(self._segment_key(number)) for number in range(end, head.next)]
        await self._memx.batch([*operations, *more])

    def _segment_key(self, number: int) -> str:
        # In the order of their numbers.
        return f"{self._key}/{number:012}"
