"""Runs what the adapters do with either client. An adapter yields the calls that it makes, and gets their results.

It may also yield a number of seconds to wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from ._async_client import AsyncMemX
from ._calls import Call
from ._client import MemX
from ._errors import MemxError

R = TypeVar("R")

Steps: TypeAlias = "Generator[Call[Any] | float, Any, R]"


def run(memx: MemX, steps: Steps[R]) -> R:
    send = memx._http.send  # pyright: ignore[reportPrivateUsage]
    try:
        call = next(steps)
        while True:
            try:
                result = time.sleep(call) if isinstance(call, (float, int)) else send(call)
            except MemxError as error:  # noqa: PERF203
                call = steps.throw(error)
            else:
                call = steps.send(result)
    except StopIteration as end:
        return end.value


async def run_async(memx: AsyncMemX, steps: Steps[R]) -> R:
    send = memx._http.send  # pyright: ignore[reportPrivateUsage]
    try:
        call = next(steps)
        while True:
            try:
                result = await (asyncio.sleep(call) if isinstance(call, (float, int)) else send(call))
            except MemxError as error:  # noqa: PERF203
                call = steps.throw(error)
            else:
                call = steps.send(result)
    except StopIteration as end:
        return end.value
