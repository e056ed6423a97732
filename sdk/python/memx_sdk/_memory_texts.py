"""The texts of Anthropic's memory tool. Claude knows them, so they are those of the tool's reference implementation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anthropic.tools import ToolError

MAX_LINES = 999_999


@dataclass(frozen=True, slots=True)
class File:
    """A file, by the names of the folders that it is in and its own."""

    segments: tuple[str, ...]
    text: str
    revision: int = 0


def missing(path: str) -> ToolError:
    return ToolError(f"The path {path} does not exist. Please provide a valid path.")


def read_path(path: str) -> tuple[str, ...]:
    """Returns the names in a path.

    Raises:
        ToolError: The path is outside of /memories.
    """
    if not path.startswith("/memories"):
        raise ToolError(f"Path must start with /memories, got: {path}")
    segments: list[str] = []
    for segment in path.removeprefix("/memories").split("/"):
        if segment in ("", "."):
            continue
        if segment != "..":
            segments.append(segment)
        elif segments:
            segments.pop()
        else:
            raise ToolError(f"Path {path} would escape /memories directory")
    return tuple(segments)


def view_file(path: str, text: str, view_range: Sequence[int] | None) -> str:
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        raise ToolError(f"File {path} exceeds maximum line limit of 999,999 lines.")
    first, last = view_range if view_range and len(view_range) == 2 else (1, -1)
    start = max(1, first) - 1
    shown = lines[start : len(lines) if last == -1 else last]
    return f"Here's the content of {path} with line numbers:\n" + _numbered(shown, start)


def view_folder(path: str, files: Sequence[File]) -> str:
    """Lists a folder. `files` have their names from there."""
    header = f"Here're the files and directories up to 2 levels deep in {path}, excluding hidden items:"
    items = [f"{size}\t{path}/{name}" for name, size in _items(files, 1)]
    return "\n".join([header, f"{_size_of(files)}\t{path}", *items])


def _items(files: Sequence[File], depth: int) -> Iterable[tuple[str, str]]:
    for name in sorted({file.segments[0] for file in files}):
        if name.startswith("."):
            continue
        own = [file for file in files if file.segments == (name,)]
        inside = [file for file in files if file.segments[0] == name and len(file.segments) > 1]
        below = [File(file.segments[1:], file.text) for file in inside]
        if own:
            yield name, _size_of(own)
        if below:
            yield f"{name}/", _size_of(below)
        if depth < 2:
            yield from ((f"{name}/{each}", size) for each, size in _items(below, depth + 1))


def _size_of(files: Iterable[File]) -> str:
    """The size of a folder is that of the files in it."""
    number = sum(len(file.text.encode()) for file in files)
    if number == 0:
        return "0B"
    power = min((number.bit_length() - 1) // 10, 3)
    size = number / 1024**power
    return f"{int(size)}{'BKMG'[power]}" if size == int(size) else f"{size:.1f}{'BKMG'[power]}"


def replace_text(path: str, text: str, old: str, new: str) -> tuple[str, str]:
    """Returns the new text, and what to tell Claude."""
    count = text.count(old)
    if count == 0:
        raise ToolError(f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}.")
    at = text.find(old)
    line = text[:at].count("\n")
    if count > 1:
        lines: list[int] = []
        while at != -1:
            lines.append(text[:at].count("\n") + 1)
            at = text.find(old, at + 1)
        where = ", ".join(map(str, lines))
        raise ToolError(
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines: {where}. "
            "Please ensure it is unique"
        )
    changed = text.replace(old, new)
    start = max(0, line - 2)
    snippet = _numbered(changed.split("\n")[start : line + 3], start)
    return (
        changed,
        f"The memory file has been edited. Here is the snippet showing the change (with line numbers):\n{snippet}",
    )


def insert_text(path: str, text: str, at: int, inserted: str) -> tuple[str, str]:
    """Returns the new text, which ends with a line break, and what to tell Claude."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not 0 <= at <= len(lines):
        raise ToolError(f"Invalid `insert_line` parameter: {at}. It should be within the range [0, {len(lines)}].")
    lines.insert(at, inserted.rstrip("\n"))
    changed = "\n".join(lines)
    return changed if changed.endswith("\n") else f"{changed}\n", f"The file {path} has been edited."


def _numbered(lines: Iterable[str], start: int) -> str:
    return "\n".join(f"{start + index + 1:>6}\t{line}" for index, line in enumerate(lines))
