"""memX in Pydantic AI, beside the harness's own store."""

from __future__ import annotations

import random
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent, ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai_harness.memory import (
    InMemoryStore,
    Memory,
    MemoryConflictError,
    MemoryMutation,
    MemoryOperation,
    MemoryOperationConflictError,
    MemoryStore,
)

from memx_sdk import AsyncMemX, MemX
from memx_sdk._memx_tools import TOOLS
from memx_sdk.pydantic_ai import MemxMemoryStore, memx_toolset

from .support.amounts import of_long_run

PATHS = ["MEMORY.md", "a.md", "a-b.md", "team/a.md", "team/x/b.md", "A", "z_1"]


async def outcome(work: Any) -> Any:
    try:
        return await work
    except (MemoryConflictError, MemoryOperationConflictError, ValueError) as error:
        return type(error)


class Versions:
    """The versions of two stores mean the same if they change together."""

    def __init__(self) -> None:
        self._ours: dict[str, str] = {}

    def pair(self, theirs: str | None, ours: str | None) -> None:
        assert (theirs is None) == (ours is None)
        if theirs is not None and ours is not None:
            assert self._ours.setdefault(theirs, ours) == ours

    def ours(self, theirs: str | None) -> str | None:
        return None if theirs is None else self._ours.get(theirs, theirs)


@pytest.mark.parametrize("count", [300, pytest.param(of_long_run(3_000), marks=pytest.mark.long)])
@pytest.mark.parametrize("seed", range(4))
async def test_does_what_the_harness_own_store_does(seed: int, count: int, each_url: str, prefix: str) -> None:
    rng = random.Random(seed)
    theirs = InMemoryStore()
    versions = Versions()
    seen: set[str] = set()
    async with AsyncMemX("local_dev_key", each_url) as memx:
        ours = MemxMemoryStore(memx, prefix)
        assert isinstance(ours, MemoryStore)
        for n in range(count):
            path = rng.choice(PATHS)
            kind = rng.choice(["read", "write", "write", "write", "delete", "list", "operation"])
            operation = MemoryOperation(f"op/{rng.randint(0, n)}", rng.choice("abc")) if rng.random() < 0.5 else None
            current = await theirs.read(path, max_chars=100)
            version = current.version if current and rng.random() < 0.8 else rng.choice([None, None, "7", "no version"])
            if kind == "read":
                size = rng.choice([1, 3, 100])
                expected, found = [await store.read(path, max_chars=size) for store in (theirs, ours)]
                assert (expected is None) == (found is None)
                if expected and found:
                    versions.pair(expected.version, found.version)
                    for name in ("content", "operation_id", "truncated", "metadata"):
                        assert getattr(found, name) == getattr(expected, name)
            elif kind == "list":
                start, limit = rng.choice(["", "team/", "a", "team", "team/x/"]), rng.choice([1, 3, 100])
                assert await ours.list_paths(start, limit=limit) == await theirs.list_paths(start, limit=limit)
            else:
                if kind == "operation":
                    asked = operation or MemoryOperation("never", "a")
                    expected, found = [await outcome(store.get_operation(asked)) for store in (theirs, ours)]
                elif kind == "write":
                    text = rng.choice(["", "one", "ü😀" * 3])
                    expected, found = [
                        await outcome(store.write(path, text, expected_version=each, operation=operation))
                        for store, each in ((theirs, version), (ours, versions.ours(version)))
                    ]
                else:
                    expected, found = [
                        await outcome(store.delete(path, expected_version=each, operation=operation))
                        for store, each in ((theirs, version), (ours, versions.ours(version)))
                    ]
                if isinstance(expected, MemoryMutation):
                    assert isinstance(found, MemoryMutation), f"{seed} {n}: {found}"
                    assert (found.replayed, found.existed) == (expected.replayed, expected.existed)
                    versions.pair(expected.version, found.version)
                    seen.add(f"{kind} {'replayed' if found.replayed else 'applied'}")
                else:
                    assert found == expected, f"{seed} {n}"
    assert seen >= {"write applied", "write replayed", "delete applied", "operation replayed"}


async def test_refuses_bad_arguments(url: str) -> None:
    async with AsyncMemX("local_dev_key", url) as memx:
        store = MemxMemoryStore(memx)
        for path in ("", "a//b", "..", "a/../b", ".", "ü", "~operations/x"):
            with pytest.raises(ValueError, match="path"):
                await store.read(path, max_chars=1)
        with pytest.raises(ValueError, match="max_chars"):
            await store.read("a", max_chars=0)
        with pytest.raises(ValueError, match="limit"):
            await store.list_paths(limit=0)
        with pytest.raises(ValueError, match="path"):
            await store.list_paths("a//", limit=1)


class Crash(Exception):
    """What ends the program of a test."""


class LosesResponses(httpx.AsyncBaseTransport):
    """Passes requests on, and crashes before the response of a batch."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if request.url.path == "/batch":
            await response.aread()
            await response.aclose()
            raise Crash
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


async def test_replays_an_operation_after_a_crash(each_url: str, prefix: str) -> None:
    operation = MemoryOperation("write 1", "fingerprint")
    async with httpx.AsyncClient(transport=LosesResponses()) as client:
        crashing = MemxMemoryStore(AsyncMemX("local_dev_key", each_url, http_client=client), prefix)
        with pytest.raises(Crash):
            await crashing.write("notes.md", "one", expected_version=None, operation=operation)
    async with AsyncMemX("local_dev_key", each_url) as memx:
        store = MemxMemoryStore(memx, prefix)
        file = await store.read("notes.md", max_chars=100)
        assert file is not None
        done = await store.get_operation(operation)
        assert done == MemoryMutation(file.version, replayed=True, existed=False)
        # The next program does not know that, and writes again. Meanwhile another agent may have written.
        await store.write("notes.md", "two", expected_version=file.version)
        again = await store.write("notes.md", "one", expected_version=None, operation=operation)
        assert again == done
        now = await store.read("notes.md", max_chars=100)
        assert now is not None
        assert now.content == "two"
        # A crash before memX had the batch leaves neither the file nor the receipt.
        lost = MemoryOperation("write 2", "fingerprint")
        assert await store.get_operation(lost) is None
        assert (await store.write("other.md", "x", expected_version=None, operation=lost)).replayed is False


async def test_reads_what_other_programs_write(each_url: str, prefix: str) -> None:
    async with AsyncMemX("local_dev_key", each_url) as memx:
        store = MemxMemoryStore(memx, prefix)
        await memx.set(f"{prefix}plain.md", "a plain text")
        await memx.set(f"{prefix}odd", [1])
        await memx.set(f"{prefix}no path!", "x")
        file = await store.read("plain.md", max_chars=7)
        assert file is not None
        assert (file.content, file.truncated, file.operation_id) == ("a plain", True, None)
        assert await store.read("odd", max_chars=1) is None
        assert await store.list_paths(limit=10) == ["odd", "plain.md"]


async def test_is_the_store_of_the_memory_capability(url: str, prefix: str) -> None:
    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            assert "write_memory" in {tool.name for tool in info.function_tools}
            return ModelResponse([ToolCallPart("write_memory", {"content": "- Ada likes pizza"})])
        return ModelResponse([TextPart("Noted.")])

    async with AsyncMemX("local_dev_key", url) as memx:
        store = MemxMemoryStore(memx, prefix)
        agent = Agent(FunctionModel(model), capabilities=[Memory(store=store)])
        assert (await agent.run("Ada likes pizza.")).output == "Noted."
        (path,) = await store.list_paths(limit=10)
        file = await store.read(path, max_chars=100)
        assert file is not None
        assert "Ada likes pizza" in file.content


async def test_offers_the_tools_to_an_agent(url: str, prefix: str) -> None:
    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        assert {tool.name for tool in info.function_tools} == set(TOOLS)
        calls = [
            ToolCallPart("memx_set", {"key": "goal", "value": {"x": 1}, "expect": 0}),
            ToolCallPart("memx_set", {"key": "goal", "value": {"x": 2}, "expect": 0}),
            ToolCallPart("memx_get", {"key": "goal"}),
        ]
        done = len(messages) // 2
        return ModelResponse([calls[done] if done < len(calls) else TextPart("done")])

    async with AsyncMemX("local_dev_key", url) as memx:
        agent = Agent(FunctionModel(model), toolsets=[memx_toolset(memx, prefix)])
        result = await agent.run("Work.")
        parts: list[Any] = [part for message in result.all_messages() for part in message.parts]
        returned = [part.content for part in parts if part.part_kind == "tool-return"]
        assert "Next: decide again on the basis of `current`" in returned[1]
        assert returned[-1]["value"] == {"x": 1}
        reader = TestModel(call_tools=["memx_list"])
        await Agent(reader, toolsets=[memx_toolset(memx, prefix, read_only=True)]).run("Look.")
        parameters = reader.last_model_request_parameters
        assert parameters is not None
        assert "memx_wait" in {tool.name for tool in parameters.function_tools}
        assert "memx_set" not in {tool.name for tool in parameters.function_tools}
    with MemX("local_dev_key", url) as sync:
        entry = sync.get(f"{prefix}goal")
        assert entry is not None
        assert entry.value == {"x": 1}
