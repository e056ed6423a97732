"""Splits lists into parts that memX takes in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ._json import encode
from ._models import BatchOperation, Set

T = TypeVar("T")

# As in config/limits.ts of memX, with room for what surrounds the operations in the body.
MAX_OPERATIONS = 100
MAX_BATCH_BYTES = 1024 * 1024 - 1024


def in_groups(
    items: Sequence[T], maximum: int, max_bytes: int = 0, size: Callable[[T], int] = lambda _: 0
) -> list[list[T]]:
    groups: list[list[T]] = []
    total = 0
    for item in items:
        total += size(item)
        if groups and len(groups[-1]) < maximum and total <= max_bytes:
            groups[-1].append(item)
        else:
            groups.append([item])
            total = size(item)
    return groups


def in_batches(operations: Sequence[BatchOperation]) -> list[list[BatchOperation]]:
    """Each group is one batch: memX applies all of it, or nothing."""
    return in_groups(operations, MAX_OPERATIONS, MAX_BATCH_BYTES, _json_bytes)


def _json_bytes(operation: BatchOperation) -> int:
    value = operation.value if isinstance(operation, Set) else None
    return json_bytes(value) + json_bytes(operation.key) + 100


def json_bytes(value: object) -> int:
    """Bytes of a value in a JSON array."""
    return len(encode(value).encode()) + 1
