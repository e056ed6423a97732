"""An agent of Pydantic AI with memX's tools, and with a notebook in memX.

A scripted model decides, so that the example needs no account: put a real one in its place.
"""

import asyncio
import uuid
from typing import Any

from pydantic_ai import Agent, ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai_harness.memory import Memory

from memx_sdk import AsyncMemX
from memx_sdk.pydantic_ai import MemxMemoryStore, memx_toolset

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("memx_claim", {"key": "task:1:lease", "holder": "ada"}),
    ("memx_set", {"key": "task:1:result", "value": 4, "expect": 0}),
    ("write_memory", {"content": "- task:1 is done"}),
]


def decide(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    turn = sum(isinstance(message, ModelResponse) for message in messages)
    return ModelResponse([ToolCallPart(*CALLS[turn]) if turn < len(CALLS) else TextPart("done")])


async def main() -> None:
    team = f"team-{uuid.uuid4().hex[:8]}"
    async with AsyncMemX() as memx:
        notebook = MemxMemoryStore(memx, f"{team}:memory/")
        tools = memx_toolset(memx, f"{team}:")
        agent = Agent(FunctionModel(decide), toolsets=[tools], capabilities=[Memory(store=notebook)])
        result = await agent.run("Do task:1.")
        for message in result.all_messages():
            for part in message.parts:
                if part.part_kind == "tool-return":
                    print(part.tool_name, part.content)
        for path in await notebook.list_paths(limit=10):
            file = await notebook.read(path, max_chars=1_000)
            print(path, file.content if file else "")


asyncio.run(main())
