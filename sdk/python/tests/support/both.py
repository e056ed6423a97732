"""Runs one test with both clients: `AsSync` gives `AsyncMemX`, and what its calls return, the interface of `MemX`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from memx_sdk import AsyncLeaseContext, AsyncMemX, AsyncMirror, AsyncSubscription, AsyncTypedKey

WRAPPED = (AsyncMemX, AsyncSubscription, AsyncMirror, AsyncTypedKey, AsyncLeaseContext)


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._fail)
        self.failures: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._thread.start()

    def _fail(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context)

    def run(self, work: Callable[[], Any]) -> Any:
        """Runs a function in the loop, and waits for the result."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("A callback in the loop must not wait for the loop.")
        return asyncio.run_coroutine_threadsafe(self._call(work), self._loop).result()

    async def _call(self, work: Callable[[], Any]) -> Any:
        result = work()
        return await result if isinstance(result, Coroutine) else result

    def tasks(self) -> list[str]:
        """Returns the tasks that are still there."""

        def find() -> list[str]:
            current = asyncio.current_task()
            return [str(task) for task in asyncio.all_tasks() if task is not current]

        return self.run(find)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class AsSync:
    """An object of the asyncio client, with the interface of the other one."""

    def __init__(self, target: Any, loop: Loop) -> None:
        self._target = target
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self._wrap(self._run(lambda: found(*args, **kwargs)))

    def __enter__(self) -> AsSync:
        entered = self._run(self._target.__aenter__)
        return self if entered is self._target else AsSync(entered, self._loop)

    def __exit__(self, *error: Any) -> None:
        self._run(lambda: self._target.__aexit__(*error))

    def __len__(self) -> int:
        return len(self._target)

    def __iter__(self) -> AsSync:
        return self

    def __next__(self) -> Any:
        ended = object()

        async def following() -> Any:
            try:
                return await self._target.__anext__()
            except StopAsyncIteration:  # A future cannot carry it.
                return ended

        found = self._run(following)
        if found is ended:
            raise StopIteration
        return found

    def _run(self, work: Callable[[], Any]) -> Any:
        return self._loop.run(work)

    def _wrap(self, result: Any) -> Any:
        if isinstance(result, AsyncLeaseContext):
            return AsSync(self._run(lambda: _await(result)), self._loop)
        if isinstance(result, WRAPPED):
            return AsSync(result, self._loop)
        if inspect.isasyncgen(result):
            return self._iterate(result)
        return result

    def _iterate(self, generator: Any) -> Iterator[Any]:
        yield from AsSync(generator, self._loop)


async def _await(context: AsyncLeaseContext) -> Any:
    return await context
