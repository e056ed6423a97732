"""Checks the arguments of a tool against its input schema: those keywords of JSON Schema that tools.json uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn, cast

from ._errors import FieldError, InvalidRequestError

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float, Decimal)) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def check_input(schema: Mapping[str, Any], value: Any, path: str = "") -> None:
    """Refuses what the schema does not allow.

    Raises:
        InvalidRequestError: With the place of the first fault.
    """
    types = schema.get("type", [])
    names: list[str] = [types] if isinstance(types, str) else types
    if names and not any(_TYPES[name](value) for name in names):
        _fail(path, f"Must be of type {' or '.join(names)}.")
    if _TYPES["number"](value):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        if not low <= value <= high:
            _fail(path, f"Must be a number from {low} to {high}.")
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        low, high = schema.get("minItems", 0), schema.get("maxItems", len(items))
        if not low <= len(items) <= high:
            _fail(path, f"Must have {low} to {high} items.")
        for index, item in enumerate(items):
            check_input(schema.get("items", {}), item, f"{path}/{index}")
    elif isinstance(value, dict) and "properties" in schema:
        given = cast("dict[str, Any]", value)
        for name in schema.get("required", ()):
            if name not in given:
                _fail(path, f"Required property `{name}` is missing.")
        for name, member in given.items():
            if name not in schema["properties"]:
                _fail(f"{path}/{name}", "No such property.")
            check_input(schema["properties"][name], member, f"{path}/{name}")


def _fail(path: str, message: str) -> NoReturn:
    errors = (FieldError(path, message),)
    raise InvalidRequestError("invalid_request", f"{path or 'The input'}: {message}", errors=errors)
