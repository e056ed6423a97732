"""A store of LangGraph in memX. It needs `pip install memx-sdk[langgraph]`.

The value of an item is the value of a key, so MCP, curl, and every client share the items. Beyond LangGraph's
interface: `update` loses no change, `watch` sees changes live, and `lease` takes an item for oneself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

from langgraph.store.base import (
    Item,
    Op,
    Result,
    TTLConfig,
)

from ._async_client import AsyncMemX
from ._async_lease import AsyncLeaseContext
from ._client import MemX
from ._langgraph_store import Change, Namespace, Store, StoreEvent
from ._lease import Lease
from ._steps import run, run_async

__all__ = ["AsyncMemxStore", "MemxStore", "StoreEvent"]


class MemxStore(Store):
    """A LangGraph store in memX. It ignores `query` and `index`: it has no semantic search.

    The methods for asyncio run the other ones in a thread. `AsyncMemxStore` needs none.

    Args:
        prefix: The start of the keys of all items.
        ttl: LangGraph's options. A refresh on read is a write that every watcher sees, so it is off by default.

    Example:
        >>> store = MemxStore(memx)
        >>> store.put(("users", "ada"), "likes", {"food": "pizza"})
        >>> store.update(("users", "ada"), "visits", lambda visits: {"count": visits["count"] + 1 if visits else 1})
    """

    def __init__(self, memx: MemX, prefix: str = "store/", *, ttl: TTLConfig | None = None) -> None:
        super().__init__(prefix, ttl)
        self._memx = memx

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Reads first, then writes. memX applies up to 100 puts of 1 MiB together in one step: all of them, or none."""
        return run(self._memx, self._run(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As `batch`, in a thread."""
        return await asyncio.to_thread(self.batch, ops)

    def update(self, namespace: Namespace, key: str, change: Change) -> Item | None:
        """Reads an item, changes it, and writes it. Returns the item that the store then has.

        Args:
            change: Gets the value, None if there is no item. Returns the new value, or None to write nothing. Runs
                again if another client wrote meanwhile.
        """
        name, apply, ttl = self._update(namespace, key, change)
        entry = self._memx.update(name, apply, ttl=ttl)
        return None if entry is None else self._item(name, entry)

    @contextmanager
    def watch(
        self, namespace_prefix: Namespace, *, snapshot: bool = False, since: int | None = None
    ) -> Generator[Iterator[StoreEvent], None, None]:
        """Watches the items of a namespace and of those below it: `with store.watch(("users",)) as changes: …`."""
        with self._memx.watch(self._pattern(namespace_prefix), snapshot=snapshot, since=since) as changes:
            yield (event for change in changes if (event := self._event(change)))

    def lease(self, namespace: Namespace, key: str, *, ttl: float, wait: bool | float = False) -> Lease:
        """Takes an item for oneself, as `MemX.lease` does. Other clients can still read and write the item."""
        return self._memx.lease(self._lease_key(namespace, key), ttl=ttl, wait=wait)


class AsyncMemxStore(Store):
    """`MemxStore` for asyncio. Its methods are those whose names begin with `a`.

    Example:
        >>> store = AsyncMemxStore(memx)
        >>> await store.aput(("users", "ada"), "likes", {"food": "pizza"})
    """

    def __init__(self, memx: AsyncMemX, prefix: str = "store/", *, ttl: TTLConfig | None = None) -> None:
        super().__init__(prefix, ttl)
        self._memx = memx

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Not for this store."""
        raise TypeError("AsyncMemxStore has only the methods for asyncio, such as `aput`. MemxStore has the others.")

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As `MemxStore.batch`."""
        return await run_async(self._memx, self._run(ops))

    async def aupdate(self, namespace: Namespace, key: str, change: Change) -> Item | None:
        """As `MemxStore.update`."""
        name, apply, ttl = self._update(namespace, key, change)
        entry = await self._memx.update(name, apply, ttl=ttl)
        return None if entry is None else self._item(name, entry)

    @asynccontextmanager
    async def awatch(
        self, namespace_prefix: Namespace, *, snapshot: bool = False, since: int | None = None
    ) -> AsyncGenerator[AsyncIterator[StoreEvent], None]:
        """As `MemxStore.watch`: `async with store.awatch(("users",)) as changes: …`."""
        async with self._memx.watch(self._pattern(namespace_prefix), snapshot=snapshot, since=since) as changes:
            yield (event async for change in changes if (event := self._event(change)))

    def alease(self, namespace: Namespace, key: str, *, ttl: float, wait: bool | float = False) -> AsyncLeaseContext:
        """As `MemxStore.lease`: `async with store.alease(("users",), "ada", ttl=30): …`."""
        return self._memx.lease(self._lease_key(namespace, key), ttl=ttl, wait=wait)
