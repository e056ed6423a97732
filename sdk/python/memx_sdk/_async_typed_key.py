"""A key with a type. The client checks a write before it sends it, and memX checks it against the same schema.

So a value that is read has the type, unless it is older than the schema.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._async_subscription import AsyncSubscription
from ._errors import ConflictError
from ._models import ChangeEvent, Deleted, Entry, Ttl, ValueEvent, Written
from ._subscription import OnReset, OnStatus
from ._typed import MAX_ATTEMPTS, Adapter

if TYPE_CHECKING:
    from ._async_client import AsyncMemX

T = TypeVar("T")


class AsyncTypedKey(Generic[T]):
    """A key whose values have a type. `AsyncMemX.key` returns one.

    Example:
        >>> goal = memx.key("agent:goal", Goal)
        >>> await goal.set(Goal(x=1, y=7))
        >>> (await goal.get()).value.x
        1
    """

    name: str

    def __init__(self, memx: AsyncMemX, adapter: Adapter[T], own_schemas: dict[str, int]) -> None:
        self.name = adapter.key
        self._memx = memx
        self._adapter = adapter
        self._own_schemas = own_schemas
        self._registering = asyncio.Lock()
        self._is_registered = False

    async def register(self, *, timeout: float | None = None) -> None:
        """Sets the key's JSON Schema in memX, unless memX already has it. The first write also does this.

        Raises:
            SchemaChangedError: The key has another schema in memX. See `on_schema_change` of `AsyncMemX.key`.
            InvalidSchemaError: JSON Schema cannot describe the type, or memX cannot use the schema.
        """
        # Tasks that share a key wait for the first one. If it fails, the next one tries by itself.
        async with self._registering:
            if not self._is_registered:
                await self._register(timeout)
                self._is_registered = True

    async def set(
        self,
        value: T,
        *,
        expect: int | None = None,
        ttl: Ttl | None = None,
        ts: float | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Written:
        """Writes a value, with its defaults filled in. The options are those of `AsyncMemX.set`.

        Raises:
            SchemaViolationError: The value does not match. Nothing is sent.
            SchemaChangedError: The key has another schema in memX. See `on_schema_change` of `AsyncMemX.key`.

        Example:
            >>> await goal.set(Goal(x=1, y=7), ttl=60)
        """
        json = self._adapter.dump(value)
        await self.register(timeout=timeout)
        return await self._memx.set(
            self.name, json, expect=expect, ttl=ttl, ts=ts, idempotency_key=idempotency_key, timeout=timeout
        )

    async def get(self, *, timeout: float | None = None) -> Entry[T] | None:
        """Reads the entry. Returns None if the key holds nothing.

        Raises:
            SchemaViolationError: The value does not match, for example because it is older than the schema.
        """
        return self._adapter.load_entry(await self._memx.get(self.name, timeout=timeout))

    async def delete(
        self, *, expect: int | None = None, idempotency_key: str | None = None, timeout: float | None = None
    ) -> Deleted:
        """Deletes the value. The options are those of `AsyncMemX.delete`."""
        return await self._memx.delete(self.name, expect=expect, idempotency_key=idempotency_key, timeout=timeout)

    async def update(
        self,
        change: Callable[[T | None], T | Awaitable[T | None] | None],
        *,
        expect: int | None = None,
        ttl: Ttl | None = "keep",
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Entry[T] | None:
        """Reads the value, changes it, and writes it. The options are those of `AsyncMemX.update`.

        Example:
            >>> await goal.update(lambda goal: Goal(x=goal.x + 1, y=goal.y) if goal else Goal(x=0, y=0))
        """
        await self.register(timeout=timeout)

        async def checked(value: Any) -> Any:
            changed = change(None if value is None else self._adapter.load(value))
            if inspect.isawaitable(changed):
                changed = await changed
            return None if changed is None else self._adapter.dump(changed)

        entry = await self._memx.update(
            self.name, checked, expect=expect, ttl=ttl, idempotency_key=idempotency_key, timeout=timeout
        )
        return self._adapter.load_entry(entry)

    def subscribe(
        self,
        callback: Callable[[ValueEvent[T]], object] | None = None,
        *,
        snapshot: bool = False,
        since: int | None = None,
        buffer: int = 1_000,
        on_status: OnStatus | None = None,
        on_reset: OnReset | None = None,
    ) -> AsyncSubscription[ValueEvent[T]]:
        """Subscribes to the key. The options are those of `AsyncMemX.subscribe`.

        An event whose value does not match raises `SchemaViolationError` in the loop. It ends the subscription of a
        callback.
        """
        return self._memx._subscribe_typed(  # pyright: ignore[reportPrivateUsage]
            self._adapter,
            callback,
            snapshot=snapshot,
            since=since,
            buffer=buffer,
            on_status=on_status,
            on_reset=on_reset,
        )

    def history(
        self, *, before: int | None = None, page_size: int = 100, timeout: float | None = None
    ) -> AsyncIterator[ChangeEvent[Any]]:
        """Reads the key's changes, newest first, with their values as they were written: they may have another type."""
        return self._memx.history(self.name, before=before, page_size=page_size, timeout=timeout)

    async def _register(self, timeout: float | None) -> None:
        for attempt in range(MAX_ATTEMPTS):
            stored = await self._memx.get_schema(self.name, timeout=timeout)
            schema = self._adapter.decide(stored, self._own_schemas.get(self.name))
            if schema is None:
                return
            try:
                await self._memx.set_schema(self.name, schema, expect=stored.revision if stored else 0, timeout=timeout)
            except ConflictError:  # Another client set it meanwhile.
                if attempt == MAX_ATTEMPTS - 1:
                    raise
            else:
                return
