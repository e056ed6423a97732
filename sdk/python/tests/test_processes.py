"""Many agents at once, a memX that is killed, and holders of leases that are stopped."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from memx_sdk import AsyncMemX, MemX

from .support.proxy import Proxy
from .support.server import Server

AGENTS = 32
TIMES = 100
WORKER = Path(__file__).parent / "support/lease_worker.py"


def add_one(value: Any) -> int:
    return (value or 0) + 1


ON_EACH_ENGINE = [
    pytest.param("embedded", "update", marks=pytest.mark.long),
    pytest.param("embedded", "increment", marks=pytest.mark.long),
    pytest.param("redis", "increment", marks=pytest.mark.long),
    pytest.param("redis", "update", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("engine", "way"), ON_EACH_ENGINE)
def test_no_change_of_32_threads_is_lost(request: pytest.FixtureRequest, prefix: str, engine: str, way: str) -> None:
    url: str = request.getfixturevalue(f"{engine}_url")

    def work(_: int) -> None:
        for _ in range(TIMES):
            if way == "increment":
                memx.increment(prefix)
            else:
                memx.update(prefix, add_one)

    with MemX("local_dev_key", url, timeout=60) as memx, ThreadPoolExecutor(AGENTS) as threads:
        list(threads.map(work, range(AGENTS)))
        entry = memx.get(prefix)
    assert entry is not None
    assert entry.value == AGENTS * TIMES


@pytest.mark.long
@pytest.mark.parametrize("way", ["increment", "update"])
async def test_no_change_of_32_tasks_is_lost(embedded_url: str, prefix: str, way: str) -> None:
    async with AsyncMemX("local_dev_key", embedded_url, timeout=60) as memx:

        async def work() -> None:
            for _ in range(TIMES):
                if way == "increment":
                    await memx.increment(prefix)
                else:
                    await memx.update(prefix, add_one)

        await asyncio.gather(*(work() for _ in range(AGENTS)))
        entry = await memx.get(prefix)
    assert entry is not None
    assert entry.value == AGENTS * TIMES


class Collector:
    """Collects what a watcher gets, and knows when it has the last value."""

    def __init__(self, last: int) -> None:
        self.seen: list[int] = []
        self._last = last
        self.done = threading.Event()

    def __call__(self, event: Any) -> None:
        self.seen.append(event.value)
        if event.value == self._last:
            self.done.set()


def test_each_change_arrives_once_through_ten_kills_and_cut_sockets(
    create: Callable[..., Any], server: Server, prefix: str
) -> None:
    kills, between = 10, 15
    last = kills * between
    server.start()
    proxy = Proxy(server.url)
    chance = random.Random(1)
    watchers = [create(base_url=address) for address in (server.url, server.url, proxy.url, proxy.url)]
    collectors = [Collector(last) for _ in watchers]
    for watcher, collector in zip(watchers, collectors, strict=True):
        watcher.watch(f"{prefix}*", collector).wait_ready(60)
    with MemX("local_dev_key", server.url, retries=100) as writer:
        number = 0
        for _ in range(kills):
            for _ in range(between):
                number += 1
                writer.set(f"{prefix}{number % 3}", number)
                if chance.random() < 0.2:
                    proxy.cut()
            server.kill()
            server.start()
        for collector in collectors:
            assert collector.done.wait(120), len(collector.seen)
    for watcher in watchers:
        watcher.close()
    proxy.close()
    for collector in collectors:
        assert collector.seen == list(range(1, last + 1))


def test_no_task_is_done_twice_by_20_processes_under_leases(server: Server, prefix: str) -> None:
    tasks, workers = 200, 20
    server.start()
    with MemX("local_dev_key", server.url) as memx:
        for number in range(tasks):
            memx.set(f"{prefix}task:{number:03}", "todo")
        processes = [
            subprocess.Popen(
                [sys.executable, str(WORKER), server.url, prefix, f"w{number}", str(tasks)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(workers)
        ]
        # The first worker stops in the middle of a task, for longer than its lease lasts. It says so itself.
        lines: queue.Queue[str] = queue.Queue()
        first = processes[0]
        assert first.stdout is not None
        threading.Thread(target=lambda: [lines.put(line) for line in first.stdout or ()]).start()
        holding = json.loads(lines.get(timeout=120))
        os.kill(first.pid, signal.SIGSTOP)
        # Another worker takes the task over, and finishes it.
        while (done := memx.get(f"{holding['task']}:done")) is None:
            time.sleep(0.1)
        assert done.value["by"] != "w0"
        os.kill(first.pid, signal.SIGCONT)
        report = json.loads(lines.get(timeout=120))
        assert report == {"late": True, "why": "ConflictError"}
        for process in processes:
            assert process.wait(240) == 0
            if process.stdout is not None:
                process.stdout.close()
        results = {entry.key: entry.value for entry in memx.keys(f"{prefix}task:", values=True)}
        done_keys = [key for key in results if key.endswith(":done")]
        assert len(done_keys) == tasks
        # Every result was written once, and the effects of the work are there once.
        assert all(len(list(memx.history(key))) <= 1 for key in done_keys)
        count = memx.get(f"{prefix}effects")
        assert count is not None
        assert count.value == tasks
