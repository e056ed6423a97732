"""The files of Anthropic's memory tool as keys of memX. Every change is a compare-and-set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from anthropic.tools import ToolError

from . import _calls as calls
from ._errors import ConflictError
from ._groups import in_batches
from ._memory_texts import File, missing, read_path, view_file, view_folder
from ._models import BatchOperation, Check, Delete, Set
from ._segments import decode_segments, encode_segment
from ._steps import Steps
from ._update import Conflicts

Path = tuple[str, ...]


class Files:
    """What both tools do. Methods yield the calls of memX, and get their results."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def view(self, path: str, view_range: list[int] | None) -> Steps[str]:
        segments = read_path(path)
        file = yield from self._read(segments)
        if file is not None:
            return view_file(path, file.text, view_range)
        files = yield from self._below(segments)
        if not files and segments:
            raise missing(path)
        return view_folder(path, [File(each.segments[len(segments) :], each.text) for each in files])

    def create(self, path: str, text: str) -> Steps[str]:
        segments = read_path(path)
        exists = ToolError(f"File {path} already exists")
        if (yield from self._is_folder(segments)):
            raise exists
        key = self._key(segments)
        try:
            yield calls.batch([*self._folders(segments), Set(key, text, expect=0)])
        except ConflictError:
            if (yield calls.get(key)) is not None:
                raise exists from None
            raise ToolError(f"A part of the path {path} is a file.") from None
        return f"File created successfully at: {path}"

    def edit(self, path: str, change: Callable[[str], tuple[str, str]]) -> Steps[str]:
        """Changes the text of a file, again if another agent has changed it meanwhile."""
        segments = read_path(path)
        conflicts = Conflicts(None)
        while True:
            file = yield from self._read(segments)
            if file is None:
                is_folder = yield from self._is_folder(segments)
                raise ToolError(f"The path {path} is not a file.") if is_folder else missing(path)
            text, told = change(file.text)
            try:
                yield calls.set(self._key(segments), text, expect=file.revision, ttl="keep")
            except ConflictError as conflict:
                yield conflicts.after(conflict)
            else:
                return told

    def delete(self, path: str) -> Steps[str]:
        segments = read_path(path)
        if not segments:
            raise ToolError("Cannot delete the /memories directory itself")
        if not (yield from self._delete(segments)):
            raise ToolError(f"The path {path} does not exist")
        return f"Successfully deleted {path}"

    def clear(self) -> Steps[str]:
        yield from self._delete(())
        return "All memory cleared"

    def rename(self, old_path: str, new_path: str) -> Steps[str]:
        old, new = read_path(old_path), read_path(new_path)
        if not old:
            raise ToolError("Cannot rename the /memories directory itself")
        while True:
            if (yield from self._read(new)) is not None or (yield from self._is_folder(new)):
                raise ToolError(f"The destination {new_path} already exists")
            file = yield from self._read(old)
            files = [file] if file is not None else (yield from self._below(old))
            if not files:
                raise ToolError(f"The path {old_path} does not exist")
            if new[: len(old)] == old:
                raise ToolError(f"Cannot move {old_path} into itself")
            try:
                yield from self._move(files, old, new)
            except ConflictError:
                for end in range(1, len(new)):
                    if (yield from self._read(new[:end])) is not None:
                        raise ToolError(f"A part of the path {new_path} is a file.") from None
                # Another agent has changed a file meanwhile.
            else:
                return f"Successfully renamed {old_path} to {new_path}"

    def _move(self, files: list[File], old: Path, new: Path) -> Steps[None]:
        """Moves files in one step, as long as a batch has room for them: about 50 files of 1 MiB together."""
        operations: list[BatchOperation] = list(self._folders(new))
        for file in files:
            operations.append(Set(self._key((*new, *file.segments[len(old) :])), file.text, expect=0))
            operations.append(Delete(self._key(file.segments), expect=file.revision))
        for batch in in_batches(operations):
            yield calls.batch(batch)

    def _key(self, segments: Path) -> str:
        return self._prefix + "/".join(map(encode_segment, segments))

    def _start(self, segments: Path) -> str:
        return f"{self._key(segments)}/" if segments else self._prefix

    def _folders(self, segments: Path) -> Iterator[Check]:
        """Nothing above a file may be a file."""
        return (Check(self._key(segments[:end]), 0) for end in range(1, len(segments)))

    def _file(self, key: str, value: object, revision: int) -> File | None:
        segments = decode_segments(key[len(self._prefix) :])
        return File(segments, value, revision) if segments and all(segments) and isinstance(value, str) else None

    def _read(self, segments: Path) -> Steps[File | None]:
        if not segments:
            return None
        key = self._key(segments)
        entry = yield calls.get(key)
        return None if entry is None else self._file(key, entry.value, entry.revision)

    def _below(self, segments: Path) -> Steps[list[File]]:
        files: list[File] = []
        cursor: Any = None
        while True:
            page = yield calls.keys(self._start(segments), True, 1_000, cursor)
            found = (self._file(entry.key, entry.value, entry.revision) for entry in page.items)
            files.extend(file for file in found if file is not None)
            cursor = page.cursor
            if cursor is None:
                return files

    def _is_folder(self, segments: Path) -> Steps[bool]:
        if not segments:
            return True
        page = yield calls.keys(self._start(segments), False, 1, None)
        return bool(page.items)

    def _delete(self, segments: Path) -> Steps[bool]:
        file = yield from self._read(segments)
        files = [*([file] if file else []), *(yield from self._below(segments))]
        deleted = False
        for batch in in_batches([Delete(self._key(each.segments)) for each in files]):
            results = (yield calls.batch(batch)).results
            deleted = deleted or any(result.deleted for result in results)
        return deleted
