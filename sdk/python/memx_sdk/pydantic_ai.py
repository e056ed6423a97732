"""memX in Pydantic AI: a store for the harness's `Memory`, and the tools of memX. It needs
`pip install memx-sdk[pydantic-ai]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from pydantic_ai import ModelRetry, Tool
from pydantic_ai.toolsets import FunctionToolset
from pydantic_ai_harness.memory import (
    MemoryConflictError,
    MemoryFile,
    MemoryMutation,
    MemoryOperation,
    MemoryOperationConflictError,
)

from ._async_client import AsyncMemX
from ._errors import ConflictError
from ._memx_tools import INSTRUCTIONS, TOOLS, ToolFailure, call_tool, is_read_only
from ._models import BatchOperation, Delete, Set
from ._segments import encode_segment
from ._steps import run_async

__all__ = ["MemxMemoryStore", "memx_toolset"]

DAY = 24 * 60 * 60


class MemxMemoryStore:
    """A `MemoryStore` of Pydantic AI's harness, in memX. The version of a file is the revision of its key.

    A mutation and the receipt of its operation are one batch: there is never one without the other.

    Args:
        prefix: The start of the keys of all files. Agents with the same prefix share their memory.
        receipt_seconds: How long the store knows an operation, so that its replay changes nothing.

    Example:
        >>> agent = Agent(model, capabilities=[Memory(store=MemxMemoryStore(memx))])
    """

    def __init__(self, memx: AsyncMemX, prefix: str = "memory/", *, receipt_seconds: float = 7 * DAY) -> None:
        self._memx = memx
        self._prefix = prefix
        self._receipt_seconds = receipt_seconds

    async def read(self, path: str, *, max_chars: int) -> MemoryFile | None:
        """Returns a file, cut to `max_chars` characters. Returns None if there is none."""
        if max_chars <= 0:
            raise ValueError("max_chars must be positive")
        entry = await self._memx.get(self._key(path))
        if entry is None:
            return None
        # Another program may have written a plain text.
        stored = cast("object", entry.value)
        value: dict[str, Any] = cast("dict[str, Any]", stored) if isinstance(stored, dict) else {"content": stored}
        content = value.get("content")
        if not isinstance(content, str):
            return None
        return MemoryFile(
            content=content[:max_chars],
            version=str(entry.revision),
            operation_id=value.get("operation"),
            truncated=len(content) > max_chars,
        )

    async def get_operation(self, operation: MemoryOperation) -> MemoryMutation | None:
        """Returns what an operation did, if it was applied."""
        entry = await self._memx.get(self._receipt_key(operation))
        if entry is None:
            return None
        if entry.value["fingerprint"] != operation.fingerprint:
            message = f"operation id {operation.id!r} was reused with different arguments"
            raise MemoryOperationConflictError(message)
        # In a batch, the revision of the receipt follows that of the file.
        version = str(entry.revision - 1) if entry.value["action"] == "write" else None
        return MemoryMutation(version=version, replayed=True, existed=entry.value["existed"])

    async def write(
        self,
        path: str,
        content: str,
        *,
        expected_version: str | None,
        operation: MemoryOperation | None = None,
    ) -> MemoryMutation:
        """Creates or replaces a file, if its version is `expected_version`."""
        value = {"content": content, **({"operation": operation.id} if operation else {})}
        return await self._apply(path, Set(self._key(path), value), expected_version, operation)

    async def delete(
        self, path: str, *, expected_version: str | None, operation: MemoryOperation | None = None
    ) -> MemoryMutation:
        """Deletes a file, if its version is `expected_version`."""
        return await self._apply(path, Delete(self._key(path)), expected_version, operation)

    async def list_paths(self, prefix: str = "", *, limit: int) -> list[str]:
        """Returns the first paths that begin with `prefix`, in order."""
        if prefix:
            _check_path(prefix.removesuffix("/"))
        if limit <= 0:
            raise ValueError("limit must be positive")
        paths: list[str] = []
        async for entry in self._memx.keys(self._prefix + prefix, page_size=min(limit + 1, 1_000)):
            path = entry.key[len(self._prefix) :]
            if _is_path(path):
                paths.append(path)
            # `~` comes after every character of a path.
            if len(paths) == limit or path.startswith("~"):
                break
        return paths

    async def _apply(
        self, path: str, change: Set | Delete, version: str | None, operation: MemoryOperation | None
    ) -> MemoryMutation:
        existed = version is not None
        operations: list[BatchOperation] = [replace(change, expect=_revision(version))]
        action = "write" if isinstance(change, Set) else "delete"
        if operation is not None:
            receipt = {"fingerprint": operation.fingerprint, "action": action, "existed": existed}
            key = self._receipt_key(operation)
            operations.append(Set(key, receipt, expect=0, ttl=self._receipt_seconds))
        try:
            result, *_ = (await self._memx.batch(operations)).results
        except ConflictError:
            done = await self.get_operation(operation) if operation else None
            if done is not None:
                return done
            raise MemoryConflictError(f"memory path {path!r} changed before it could be changed") from None
        return MemoryMutation(str(result.revision) if action == "write" else None, replayed=False, existed=existed)

    def _key(self, path: str) -> str:
        _check_path(path)
        return self._prefix + path

    def _receipt_key(self, operation: MemoryOperation) -> str:
        return f"{self._prefix}~operations/{encode_segment(operation.id)}"


def memx_toolset(
    memx: AsyncMemX, prefix: str = "", *, read_only: bool = False, max_retries: int = 3
) -> FunctionToolset[Any]:
    """The tools of memX for an agent: those that memX's MCP server has, in process, over the client.

    Args:
        prefix: The start of all keys that the tools can reach. The model does not see it.
        read_only: Offer only the tools that change nothing.
        max_retries: How often in a row a model may call a tool with a result such as a conflict.

    Example:
        >>> agent = Agent(model, toolsets=[memx_toolset(memx, "team:")])
    """

    def tool(name: str, definition: dict[str, Any]) -> Tool[Any]:
        async def call(**arguments: Any) -> dict[str, Any]:
            try:
                return await run_async(memx, call_tool(name, arguments, prefix))
            except ToolFailure as failure:
                raise ModelRetry(str(failure)) from failure

        create = cast("Callable[..., Tool[Any]]", Tool.from_schema)  # pyright: ignore[reportUnknownMemberType]
        return create(call, name, definition["description"], definition["inputSchema"])

    tools = [tool(name, definition) for name, definition in TOOLS.items() if not read_only or is_read_only(name)]
    return FunctionToolset(tools, max_retries=max_retries, instructions=INSTRUCTIONS)


def _revision(version: str | None) -> int:
    if version is None:
        return 0
    # No key has the revision 1, because revisions begin at a time.
    return int(version) if re.fullmatch("[1-9][0-9]{0,15}", version) else 1


def _is_path(path: str) -> bool:
    segments = path.split("/")
    return all(re.fullmatch("[A-Za-z0-9_.-]{1,200}", each) and ".." not in each and each != "." for each in segments)


def _check_path(path: str) -> None:
    if not _is_path(path):
        raise ValueError(f"invalid memory path: {path!r}")
