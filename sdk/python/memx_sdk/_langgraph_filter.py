"""What a search of a LangGraph store filters by. It means what it means in LangGraph's own InMemoryStore."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import ge, gt, le, lt
from typing import Any, cast

from langgraph.store.base import MatchCondition


def fixed_part(conditions: Iterable[MatchCondition]) -> tuple[str, ...]:
    """Returns the labels that every matching namespace begins with."""
    starts = [tuple(each.path) for each in conditions if each.match_type == "prefix"]
    return max((path[: path.index("*")] if "*" in path else path for path in starts), key=len, default=())


def meets(condition: MatchCondition, namespace: tuple[str, ...]) -> bool:
    path = tuple(condition.path)
    start = 0 if condition.match_type == "prefix" else len(namespace) - len(path)
    part = namespace[max(start, 0) : start + len(path)]
    return len(part) == len(path) and all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))


def matches(value: Any, wanted: Any) -> bool:
    """Returns whether a member of a value matches what a filter wants."""
    if isinstance(wanted, Mapping):
        members = cast("Mapping[str, Any]", wanted)
        if any(name.startswith("$") for name in members):
            return all(_compare(value, operator, operand) for operator, operand in members.items())
        inner = cast("Mapping[str, Any]", value)
        return isinstance(value, Mapping) and all(matches(inner.get(name), each) for name, each in members.items())
    if isinstance(wanted, (list, tuple)):
        items, found = cast("list[Any]", wanted), cast("list[Any]", value)
        return isinstance(value, (list, tuple)) and len(found) == len(items) and all(map(matches, found, items))
    return value == wanted


def _compare(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return value == operand
    if operator == "$ne":
        return value != operand
    if operator not in _ORDER:
        raise ValueError(f"There is no operator {operator}.")
    return _ORDER[operator](float(value), float(operand))


_ORDER: dict[str, Callable[[float, float], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
