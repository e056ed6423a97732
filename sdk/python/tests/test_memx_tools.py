"""The tools over the client return what memX's MCP server returns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from memx_sdk import MemX
from memx_sdk._memx_tools import TOOLS, ToolFailure, call_tool
from memx_sdk._steps import run

from .support.server import ROOT, Server

SCENARIO: list[tuple[str, dict[str, Any]]] = json.loads((ROOT / "test/adapters/support/tool-calls.json").read_text())
BIG = {"text": "ü" * 20_000, "list": [1, 2, 3]}
VARYING = {"revision", "previous", "ts", "created", "expires", "token", "cursor"}


def test_the_definitions_are_those_of_mcp() -> None:
    assert (ROOT / "sdk/tools.json").read_bytes() == (ROOT / "sdk/python/memx_sdk/tools.json").read_bytes()


@pytest.fixture
def mcp(tmp_path: Path) -> Iterator[str]:
    """The URL of another memX, which is empty too."""
    server = Server(tmp_path).start()
    yield server.url
    server.stop()


def over_mcp(url: str, name: str, arguments: dict[str, Any]) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    accept = {"x-api-key": "local_dev_key", "accept": "application/json, text/event-stream"}
    response = httpx.post(f"{url}/mcp", json=body, headers=accept, timeout=60)
    text = next(line[6:] for line in response.text.splitlines() if line.startswith("data: {"))
    result = json.loads(text)["result"]
    return result["content"][0]["text"] if result.get("isError") else result["structuredContent"]


def in_process(memx: MemX, name: str, arguments: dict[str, Any], prefix: str) -> Any:
    try:
        return run(memx, call_tool(name, arguments, prefix))
    except ToolFailure as failure:
        return str(failure)


def comparable(outcome: Any) -> Any:
    """Without what differs from one memX to another."""
    if isinstance(outcome, str):
        head, _, rest = outcome.partition("current: ")
        current, _, following = rest.partition("\n")
        return [head, comparable(json.loads(current)), following] if rest else outcome
    if isinstance(outcome, list):
        return [comparable(each) for each in outcome]
    if isinstance(outcome, dict):
        return {
            name: "…" if name in VARYING and value is not None else value if name == "value" else comparable(value)
            for name, value in outcome.items()
        }
    return outcome


def test_every_tool_returns_what_mcp_returns(each_url: str, mcp: str, prefix: str) -> None:
    used: set[str] = set()
    with MemX("local_dev_key", each_url) as memx, MemX("local_dev_key", mcp) as other:
        memx.set_schema(f"{prefix}schema", {"type": "number"})
        other.set_schema("schema", {"type": "number"})
        for name, given in SCENARIO:
            arguments = {**given, "value": BIG} if given.get("value") == "$big" else given
            found = in_process(memx, name, arguments, prefix)
            expected = over_mcp(mcp, name, arguments)
            used.add(name)
            if isinstance(expected, str) and expected.startswith("invalid_request"):
                # The texts of faults in the input itself are those of two validators.
                assert re.match("(invalid_request|too_large): ", found)
            else:
                assert comparable(found) == comparable(expected), f"{name} {str(given)[:200]}"
    assert used == set(TOOLS)


def test_pages_waits_and_holds_claims(each_url: str, prefix: str) -> None:
    prefix = f"p[1]{prefix}"
    names = [f"k:{n:02}" for n in range(25)] + ["k:\uffff", "k:😀"]
    with MemX("local_dev_key", each_url) as memx:

        def use(name: str, **arguments: Any) -> dict[str, Any]:
            return run(memx, call_tool(name, arguments, prefix))

        for name in names:
            memx.set(prefix + name, "x" * (40_000 if name == "k:03" else 3_000))
        seen: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            page = use("memx_list", prefix="k:", limit=20, values=True, **cursor)
            seen.extend(each["key"] for each in page["keys"])
            if page["cursor"] is None:
                break
            cursor = {"cursor": page["cursor"]}
        assert seen == names
        revision = use("memx_set", key="go", value=1)["revision"]
        memx.delete(f"{prefix}k:00")
        waited = use("memx_wait", patterns=["k:*", "go"], since=revision)
        assert [(each["key"], each["action"]) for each in waited["changes"]] == [("k:00", "delete")]
        assert "more than fits" in use("memx_wait", patterns=["k:*"], since=0)["note"]
        part = use("memx_wait", patterns=["k:*"], since=revision - 1, seconds=1)
        assert part["reset"] is False
        claim = use("memx_claim", key="lease", holder="ada")
        holding = {"key": "lease", "token": claim["token"]}
        assert "revision" in use("memx_set", key="k:01", value=1, holding=holding)
        again = use("memx_claim", key="lease", holder="ada", token=claim["token"])
        with pytest.raises(ToolFailure, match=r'^conflict: Your claim on "lease" has expired or was released'):
            use("memx_set", key="k:01", value=2, holding=holding)
        assert use("memx_get", key="k:01")["value"] == 1
        assert use("memx_release", key="lease", token=again["token"]) == {"released": True}
