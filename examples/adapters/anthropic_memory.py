"""Two Claudes share one memory directory: what the first one notes, the second one reads.

Here, two agents call the tool as Claude would. With an account, pass the tool to `client.beta.messages.tool_runner`.
"""

import uuid

from memx_sdk import MemX
from memx_sdk.anthropic import MemxMemoryTool

with MemX() as memx:
    prefix = f"memories-{uuid.uuid4().hex[:8]}/"
    first, second = MemxMemoryTool(memx, prefix), MemxMemoryTool(memx, prefix)
    path = "/memories/ada.md"
    print(first.call({"command": "create", "path": path, "file_text": "# Ada\nlikes pizza\n"}))
    print(second.call({"command": "view", "path": "/memories"}))
    print(second.call({"command": "insert", "path": path, "insert_line": 2, "insert_text": "lives in Lima"}))
    print(first.call({"command": "view", "path": path}))
