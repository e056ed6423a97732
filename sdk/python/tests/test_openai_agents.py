"""memX's session of the OpenAI Agents SDK, shared by processes."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Model, ModelResponse, RunConfig, Runner, Session, SessionSettings, SQLiteSession, Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from memx_sdk import AsyncMemX, ConflictError
from memx_sdk.openai_agents import MemxSession

from .support.server import NODE, ROOT, Server


def item(text: str) -> Any:
    return {"role": "user", "content": text}


def texts(items: Any) -> list[str]:
    return [each["content"] for each in items]


@pytest.fixture
async def memx(each_url: str) -> AsyncIterator[AsyncMemX]:
    async with AsyncMemX("local_dev_key", each_url, retries=10, timeout=60) as memx:
        yield memx


async def test_16_processes_add_20_items_each(memx: AsyncMemX, prefix: str) -> None:
    async def add(agent: int) -> None:
        session = MemxSession("team", memx, prefix)
        await session.add_items([item(f"{agent} {n}") for n in range(20)])

    await asyncio.gather(*map(add, range(16)))
    items = texts(await MemxSession("team", memx, prefix).get_items())
    assert len(items) == 320
    calls = [items[at : at + 20] for at in range(0, 320, 20)]
    assert sorted(call[0] for call in calls) == sorted(f"{agent} 0" for agent in range(16))
    for call in calls:
        agent = call[0].split()[0]
        assert call == [f"{agent} {n}" for n in range(20)]


async def test_adds_once_although_memx_is_killed(server: Server) -> None:
    server.start()
    async with AsyncMemX("local_dev_key", server.url, retries=20, timeout=60) as memx:
        session = MemxSession("s", memx)

        async def add() -> None:
            for n in range(40):
                await session.add_items([item(f"{n} a"), item(f"{n} b")])

        adding = asyncio.create_task(add())
        for _ in range(3):
            while len(await session.get_items()) < 6:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        await adding
        assert texts(await session.get_items()) == [f"{n} {part}" for n in range(40) for part in "ab"]


async def test_a_repeat_after_a_crash_adds_nothing(memx: AsyncMemX, prefix: str) -> None:
    session = MemxSession("s", memx, prefix)
    # The program is killed after memX has applied the call, and starts again.
    program = "; ".join(
        [
            "import asyncio, os, sys",
            "from memx_sdk import AsyncMemX",
            "from memx_sdk.openai_agents import MemxSession",
            "s = MemxSession('s', AsyncMemX('local_dev_key', sys.argv[1]), sys.argv[2])",
            "asyncio.run(s.add_items([{'role': 'user', 'content': 'once'}], operation_id='turn 1'))",
            "os.kill(os.getpid(), 9)",
        ]
    )
    for _ in range(2):
        command = [sys.executable, "-c", program, memx.base_url, prefix]
        done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT / "sdk/python")
        assert done.returncode == -9
    assert texts(await session.get_items()) == ["once"]
    with pytest.raises(ConflictError, match="other items"):
        await session.add_items([item("other")], operation_id="turn 1")
    assert texts(await session.get_items()) == ["once"]


async def test_does_what_the_sdk_own_session_does(memx: AsyncMemX, prefix: str, tmp_path: Path) -> None:
    rng = random.Random(7)
    theirs, ours = SQLiteSession("s", tmp_path / "db"), MemxSession("s/1%", memx, prefix)
    assert isinstance(ours, Session)
    for n in range(300):
        kind = rng.random()
        if kind < 0.5:
            new = [item(f"{n} {m}") for m in range(rng.choice([0, 1, 2, 30]))]
            await theirs.add_items(new)
            await ours.add_items(new)
        elif kind < 0.8:
            assert await ours.pop_item() == await theirs.pop_item()
        elif kind < 0.83:
            await theirs.clear_session()
            await ours.clear_session()
        else:
            limit = rng.choice([None, 1, 5, 50])
            assert await ours.get_items(limit) == await theirs.get_items(limit)
    theirs.close()
    await ours.clear_session()
    assert [entry.key async for entry in memx.keys(prefix)] == [f"{prefix}s%2F1%25"]
    limited = MemxSession("s/1%", memx, prefix, session_settings=SessionSettings(limit=1))
    await limited.add_items([item("one"), item("two")])
    assert texts(await limited.get_items()) == ["two"]
    assert await limited.get_items(0) == []


async def test_items_roll_over_into_further_keys(memx: AsyncMemX, prefix: str) -> None:
    session = MemxSession("s", memx, prefix)
    big = [item(f"{n} " + "x" * 100_000) for n in range(25)]
    await session.add_items(big, operation_id="big")
    await session.add_items(big, operation_id="big")
    assert await session.get_items() == big
    assert len([1 async for entry in memx.keys(f"{prefix}s/0")]) > 10
    assert texts(await session.get_items(2)) == [each["content"] for each in big[-2:]]
    assert await session.pop_item() == big[-1]


async def test_shares_a_session_with_typescript(url: str, prefix: str) -> None:
    install = [NODE, "scripts/frameworks.ts"]
    await asyncio.to_thread(subprocess.run, install, cwd=ROOT, check=True, capture_output=True)
    async with AsyncMemX("local_dev_key", url) as memx:
        session = MemxSession("é/1", memx, prefix)
        await session.add_items([item("from Python")])
        program = str(ROOT / "test/adapters/support/session-items.ts")
        command = [NODE, program, url, prefix, "é/1"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == [item("from Python")]
        assert texts(await session.get_items()) == ["from Python", "from TypeScript"]


class FakeModel(Model):
    """Says how many items it got."""

    async def get_response(self, system_instructions: Any, input: Any, *rest: Any, **options: Any) -> ModelResponse:
        text = ResponseOutputText(text=f"{len(input)} items", type="output_text", annotations=[])
        message = ResponseOutputMessage(id="1", type="message", role="assistant", content=[text], status="completed")
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *rest: Any, **options: Any) -> Any:
        raise NotImplementedError


async def test_is_the_session_of_an_agent(url: str, prefix: str) -> None:
    async with AsyncMemX("local_dev_key", url) as memx:
        agent = Agent("ada", model=FakeModel())
        config = RunConfig(tracing_disabled=True)
        first = await Runner.run(agent, "one", session=MemxSession("s", memx, prefix), run_config=config)
        second = await Runner.run(agent, "two", session=MemxSession("s", memx, prefix), run_config=config)
        assert [first.final_output, second.final_output] == ["1 items", "3 items"]
