"""Anthropic's memory tool in memX. It needs `pip install memx-sdk[anthropic]`.

Each file is a key with its text as the value. Every change is a compare-and-set, so several agents can share one memory
directory.
"""

from __future__ import annotations

from anthropic.tools.memory import BetaAbstractMemoryTool, BetaAsyncAbstractMemoryTool
from anthropic.types.beta import (
    BetaCacheControlEphemeralParam,
    BetaMemoryTool20250818CreateCommand,
    BetaMemoryTool20250818DeleteCommand,
    BetaMemoryTool20250818InsertCommand,
    BetaMemoryTool20250818RenameCommand,
    BetaMemoryTool20250818StrReplaceCommand,
    BetaMemoryTool20250818ViewCommand,
)

from ._async_client import AsyncMemX
from ._client import MemX
from ._memory_files import Files
from ._memory_texts import insert_text, replace_text
from ._steps import run, run_async

__all__ = ["AsyncMemxMemoryTool", "MemxMemoryTool"]


class MemxMemoryTool(BetaAbstractMemoryTool):
    """Anthropic's memory tool in memX, for `client.beta.messages.tool_runner`.

    Args:
        prefix: The start of the keys of all files. Agents with the same prefix share their memory.

    Example:
        >>> memory = MemxMemoryTool(memx, "team/memories/")
        >>> client.beta.messages.tool_runner(model=model, max_tokens=1024, messages=messages, tools=[memory])
    """

    def __init__(
        self, memx: MemX, prefix: str = "memories/", *, cache_control: BetaCacheControlEphemeralParam | None = None
    ) -> None:
        super().__init__(cache_control=cache_control)
        self._memx = memx
        self._files = Files(prefix)

    def view(self, command: BetaMemoryTool20250818ViewCommand) -> str:
        """Shows a file, or lists a folder."""
        return run(self._memx, self._files.view(command.path, command.view_range))

    def create(self, command: BetaMemoryTool20250818CreateCommand) -> str:
        """Creates a file."""
        return run(self._memx, self._files.create(command.path, command.file_text))

    def str_replace(self, command: BetaMemoryTool20250818StrReplaceCommand) -> str:
        """Replaces a text that a file has once."""
        return run(
            self._memx,
            self._files.edit(
                command.path, lambda text: replace_text(command.path, text, command.old_str, command.new_str)
            ),
        )

    def insert(self, command: BetaMemoryTool20250818InsertCommand) -> str:
        """Inserts lines after a line of a file."""
        return run(
            self._memx,
            self._files.edit(
                command.path, lambda text: insert_text(command.path, text, command.insert_line, command.insert_text)
            ),
        )

    def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> str:
        """Deletes a file, or a folder with all files in it."""
        return run(self._memx, self._files.delete(command.path))

    def rename(self, command: BetaMemoryTool20250818RenameCommand) -> str:
        """Renames or moves a file or a folder."""
        return run(self._memx, self._files.rename(command.old_path, command.new_path))

    def clear_all_memory(self) -> str:
        """Deletes all files."""
        return run(self._memx, self._files.clear())


class AsyncMemxMemoryTool(BetaAsyncAbstractMemoryTool):
    """`MemxMemoryTool` for asyncio."""

    def __init__(
        self,
        memx: AsyncMemX,
        prefix: str = "memories/",
        *,
        cache_control: BetaCacheControlEphemeralParam | None = None,
    ) -> None:
        super().__init__(cache_control=cache_control)
        self._memx = memx
        self._files = Files(prefix)

    async def view(self, command: BetaMemoryTool20250818ViewCommand) -> str:
        """Shows a file, or lists a folder."""
        return await run_async(self._memx, self._files.view(command.path, command.view_range))

    async def create(self, command: BetaMemoryTool20250818CreateCommand) -> str:
        """Creates a file."""
        return await run_async(self._memx, self._files.create(command.path, command.file_text))

    async def str_replace(self, command: BetaMemoryTool20250818StrReplaceCommand) -> str:
        """Replaces a text that a file has once."""
        return await run_async(
            self._memx,
            self._files.edit(
                command.path, lambda text: replace_text(command.path, text, command.old_str, command.new_str)
            ),
        )

    async def insert(self, command: BetaMemoryTool20250818InsertCommand) -> str:
        """Inserts lines after a line of a file."""
        return await run_async(
            self._memx,
            self._files.edit(
                command.path, lambda text: insert_text(command.path, text, command.insert_line, command.insert_text)
            ),
        )

    async def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> str:
        """Deletes a file, or a folder with all files in it."""
        return await run_async(self._memx, self._files.delete(command.path))

    async def rename(self, command: BetaMemoryTool20250818RenameCommand) -> str:
        """Renames or moves a file or a folder."""
        return await run_async(self._memx, self._files.rename(command.old_path, command.new_path))

    async def clear_all_memory(self) -> str:
        """Deletes all files."""
        return await run_async(self._memx, self._files.clear())
