"""Two processes may continue one conversation of the OpenAI Agents SDK: the session is in memX.

A model that counts replies instead of a real one, so that the example needs no account.
"""

import asyncio
import uuid
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from memx_sdk import AsyncMemX
from memx_sdk.openai_agents import MemxSession


class CountingModel(Model):
    async def get_response(self, system_instructions: Any, input: Any, *rest: Any, **options: Any) -> ModelResponse:
        text = f"I know {len(input)} items of our conversation."
        content: Any = [ResponseOutputText(text=text, type="output_text", annotations=[])]
        message = ResponseOutputMessage(id="1", type="message", role="assistant", content=content, status="completed")
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *rest: Any, **options: Any) -> Any:
        raise NotImplementedError


async def main() -> None:
    session_id = f"ada-{uuid.uuid4().hex[:8]}"
    agent = Agent("Assistant", model=CountingModel())
    for question in ("Who are you?", "What do you know?"):
        async with AsyncMemX() as memx:
            # As in another process: a new object for the same session.
            session = MemxSession(session_id, memx)
            config = RunConfig(tracing_disabled=True)
            result = await Runner.run(agent, question, session=session, run_config=config)
            print(question, result.final_output)


asyncio.run(main())
