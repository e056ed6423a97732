"""The memory tool in memX, beside the file implementation of Anthropic's SDK."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.tools import ToolError
from anthropic.tools.memory import BetaLocalFilesystemMemoryTool

from memx_sdk import AsyncMemX, MemX
from memx_sdk.anthropic import AsyncMemxMemoryTool, MemxMemoryTool

from .support.amounts import of_long_run
from .support.both import Loop


class AsSync:
    """An `AsyncMemxMemoryTool` with the interface of `MemxMemoryTool`."""

    def __init__(self, tool: AsyncMemxMemoryTool, loop: Loop) -> None:
        self._tool = tool
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self._loop.run(lambda: getattr(self._tool, name)(*args))


@pytest.fixture(params=["sync", "async"])
def new_tool(request: pytest.FixtureRequest, each_url: str) -> Iterator[Callable[[str], Any]]:
    """Creates a tool of each kind. The one for asyncio has the interface of the other one."""
    if request.param == "sync":
        with MemX("local_dev_key", each_url, retries=10, timeout=60) as memx:
            yield lambda prefix: MemxMemoryTool(memx, prefix)
        return
    loop = Loop()
    amemx = loop.run(lambda: AsyncMemX("local_dev_key", each_url, retries=10, timeout=60))
    yield lambda prefix: AsSync(AsyncMemxMemoryTool(amemx, prefix), loop)
    loop.run(amemx.close)
    loop.close()


def test_several_agents_insert_into_one_file(new_tool: Callable[[str], Any], prefix: str, each_url: str) -> None:
    path = "/memories/notes.txt"
    new_tool(prefix).call({"command": "create", "path": path, "file_text": "begin"})

    def insert(agent: int) -> None:
        tool = new_tool(prefix)
        for n in range(50):
            text = f"agent {agent} line {n}"
            tool.call({"command": "insert", "path": path, "insert_line": 1, "insert_text": text})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(insert, range(8)))
    with MemX("local_dev_key", each_url) as memx:
        entry = memx.get(f"{prefix}notes.txt")
    assert entry is not None
    lines = entry.value.splitlines()
    assert (lines[0], len(lines), len(set(lines))) == ("begin", 401, 401)


def test_moves_a_folder_and_clears_all(new_tool: Callable[[str], Any], prefix: str, each_url: str) -> None:
    tool = new_tool(prefix)
    for name in ("from/one", "from/two/three", "file", "a%b\tc"):
        tool.call({"command": "create", "path": f"/memories/{name}", "file_text": name})

    def rename(old: str, new: str) -> str:
        return tool.call({"command": "rename", "old_path": f"/memories/{old}", "new_path": f"/memories/{new}"})

    with pytest.raises(ToolError, match="into itself"):
        rename("from", "from/below")
    with pytest.raises(ToolError, match="is a file"):
        rename("from", "file/below")
    rename("from", "to/here")
    with MemX("local_dev_key", each_url) as memx:
        memx.set(f"{prefix}plan", {"steps": []})
        memx.set(f"{prefix}100%", "not encoded")
        names = [entry.key.removeprefix(prefix) for entry in memx.keys(prefix)]
        assert names == ["100%", "a%25b%09c", "file", "plan", "to/here/one", "to/here/two/three"]
        listed = tool.call({"command": "view", "path": "/memories"})
        assert "plan" not in listed
        assert "100%" not in listed
        with pytest.raises(ToolError, match="does not exist"):
            tool.call({"command": "view", "path": "/memories/plan"})
        with pytest.raises(ToolError, match="already exists"):
            tool.call({"command": "create", "path": "/memories/plan", "file_text": ""})
        assert tool.clear_all_memory() == "All memory cleared"
        assert [entry.key.removeprefix(prefix) for entry in memx.keys(prefix)] == ["100%", "plan"]


async def test_is_a_tool_of_the_sdk(url: str, prefix: str) -> None:
    requests: list[Any] = []

    def claude(request: httpx2.Request) -> httpx2.Response:
        requests.append(json.loads(request.content))
        command = {"command": "create", "path": "/memories/ada.txt", "file_text": "likes pizza"}
        call = {"type": "tool_use", "id": "call_1", "name": "memory", "input": command}
        first = len(requests) % 2 == 1
        reply = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude",
            "content": [call] if first else [{"type": "text", "text": "Noted."}],
            "stop_reason": "tool_use" if first else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        return httpx2.Response(200, json=reply)

    transport = httpx2.MockTransport(claude)
    options: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 100}
    messages: Any = [{"role": "user", "content": "Ada likes pizza."}]
    with MemX("local_dev_key", url) as memx:
        with anthropic.Anthropic(api_key="none", http_client=httpx2.Client(transport=transport)) as client:
            tools = [MemxMemoryTool(memx, prefix)]
            client.beta.messages.tool_runner(**options, messages=messages, tools=tools).until_done()
        entry = memx.get(f"{prefix}ada.txt")
        assert entry is not None
        assert entry.value == "likes pizza"
        async_client = anthropic.AsyncAnthropic(api_key="none", http_client=httpx2.AsyncClient(transport=transport))
        async with AsyncMemX("local_dev_key", url) as amemx, async_client as aclient:
            atools = [AsyncMemxMemoryTool(amemx, prefix)]
            await aclient.beta.messages.tool_runner(**options, messages=messages, tools=atools).until_done()
    results = [request["messages"][-1]["content"][0] for request in requests[1::2]]
    assert results[0]["content"] == "File created successfully at: /memories/ada.txt"
    assert "already exists" in json.dumps(results[1])
    assert [tool["type"] for tool in requests[0]["tools"]] == ["memory_20250818"]


NAMES = ["a", "b", "notes.txt", "ü 😀", ".hidden", "node_modules", "100%", "[x]*"]
TEXTS = ["", "one", "one\ntwo\nthree\n", "x\nx y x\r\n\nlast", "same\nsame", "\\1 \\g<0>", "ü" * 700, "k" * 3000]
PIECES = ["one", "x", "same", "two", "e\nt", "nowhere", "\n", "last"]


def random_path(rng: random.Random) -> str:
    names = NAMES[:3] if rng.random() < 0.8 else NAMES
    depth = 0 if rng.random() < 0.1 else rng.randint(1, 3)
    path = "/".join(["/memories", *(rng.choice(names) for _ in range(depth))])
    if rng.random() < 0.9:
        return path
    return rng.choice([f"{path}/", f"{path}/./c/..", "/memories/../etc", "/elsewhere"])


def random_command(rng: random.Random) -> dict[str, Any]:
    path = random_path(rng)
    kind = rng.choice(
        ["view", "create", "create", "create", "str_replace", "str_replace", "insert", "delete", "rename"]
    )
    if kind == "rename":
        return {"command": kind, "old_path": path, "new_path": random_path(rng)}
    command: dict[str, Any] = {"command": kind, "path": path}
    if kind == "view" and rng.random() < 0.4:
        command["view_range"] = [rng.randint(-1, 4), rng.randint(-1, 5)]
    if kind == "create":
        command["file_text"] = rng.choice(TEXTS)
    if kind == "str_replace":
        command.update(old_str=rng.choice(PIECES), new_str=rng.choice(TEXTS))
    if kind == "insert":
        command.update(insert_line=rng.randint(-1, 6), insert_text=rng.choice(TEXTS))
    return command


def outcome(tool: Any, command: dict[str, Any]) -> tuple[str, str]:
    try:
        text = str(tool.call(command))
    except ToolError as error:
        return "fails", str(error)
    except OSError:
        return "fails", ""
    if not text.startswith("Here're"):
        return "works", text
    # The sizes of folders are those of the file system.
    header, _, *items = text.split("\n")
    return "works", "\n".join([header, *(re.sub(r"^\S+", "", item) if item.endswith("/") else item for item in items)])


def remove_empty_folders(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            remove_empty_folders(entry)
            if not any(entry.iterdir()):
                entry.rmdir()


@pytest.mark.parametrize("count", [40, pytest.param(of_long_run(500), marks=pytest.mark.long)])
def test_does_what_the_file_implementation_does(
    count: int, new_tool: Callable[[str], Any], prefix: str, tmp_path: Path
) -> None:
    def sequence(number: int) -> set[str]:
        rng = random.Random(number)
        ours = new_tool(f"{prefix}{number}/")
        theirs = BetaLocalFilesystemMemoryTool(str(tmp_path / str(number)))
        seen: set[str] = set()
        for _ in range(16):
            command = random_command(rng)
            expected = outcome(theirs, command)
            found = outcome(ours, command)
            if expected == ("fails", ""):
                assert found[0] == "fails", f"{number}: {command}"
            else:
                assert found == expected, f"{number}: {command}"
            seen.add(f"{command['command']} {expected[0]}")
            remove_empty_folders(theirs.memory_root)
        view = {"command": "view", "path": "/memories"}
        assert outcome(ours, view) == outcome(theirs, view)
        return seen

    with ThreadPoolExecutor(4) as pool:
        seen: set[str] = set().union(*pool.map(sequence, range(count)))
    assert len(seen) == 12
