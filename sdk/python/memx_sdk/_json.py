"""JSON in and out of memX, with every digit of an `int` and a `Decimal`.

What JSON cannot say is refused with its place, and never written as something else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from json import JSONDecoder
from json.encoder import encode_basestring
from typing import Any, cast

from ._errors import FieldError, InvalidRequestError

MAX_DEPTH = 64


class _RefusedError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.place: list[str] = []


def encode(value: object, key: str | None = None) -> str:
    """Returns the JSON text of a value.

    Raises:
        InvalidRequestError: JSON cannot say the value. `errors` has the place as a JSON Pointer.
    """
    parts: list[str] = []
    try:
        _write(value, parts, 0)
    except _RefusedError as refused:
        path = "".join(f"/{escape_pointer(segment)}" for segment in reversed(refused.place))
        where = path or "The value"
        raise InvalidRequestError(
            "invalid_request",
            f"The value cannot be written as JSON. {where}: {refused}",
            key=key,
            errors=(FieldError(path, str(refused)),),
        ) from None
    return "".join(parts)


def escape_pointer(name: str) -> str:
    """Escapes a member name for a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def is_well_formed(text: str) -> bool:
    """Returns whether UTF-8 can encode the text: a lone surrogate cannot be encoded."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write(value: object, parts: list[str], depth: int) -> None:
    if isinstance(value, str):
        parts.append(_text(value))
    elif value is None:
        parts.append("null")
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif isinstance(value, int):
        parts.append(_integer(value))
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _RefusedError(f"JSON has no {value}.")
        parts.append(float.__repr__(value))
    elif isinstance(value, Decimal):
        if not value.is_finite():
            raise _RefusedError(f"JSON has no {value}.")
        parts.append(Decimal.__str__(value))
    elif isinstance(value, Mapping):
        _write_object(cast("Mapping[object, object]", value), parts, _deeper(depth))
    elif isinstance(value, (list, tuple)):
        _write_array(cast("list[object]", value), parts, _deeper(depth))
    else:
        raise _RefusedError(f"JSON has no {type(value).__name__}.")


def _write_object(value: Mapping[object, object], parts: list[str], depth: int) -> None:
    separator = "{"
    for name, member in value.items():
        if not isinstance(name, str):
            raise _RefusedError(f"A member name must be a str, not {type(name).__name__}.")
        parts.extend((separator, _text(name), ":"))
        separator = ","
        try:
            _write(member, parts, depth)
        except _RefusedError as refused:
            refused.place.append(name)
            raise
    parts.append("{}" if separator == "{" else "}")


def _write_array(value: list[object], parts: list[str], depth: int) -> None:
    separator = "["
    for index, item in enumerate(value):
        parts.append(separator)
        separator = ","
        try:
            _write(item, parts, depth)
        except _RefusedError as refused:
            refused.place.append(str(index))
            raise
    parts.append("[]" if separator == "[" else "]")


def _deeper(depth: int) -> int:
    # Also ends a value that contains itself.
    if depth >= MAX_DEPTH:
        raise _RefusedError(f"A value must not have more than {MAX_DEPTH} levels of arrays and objects.")
    return depth + 1


def _text(text: str) -> str:
    if not is_well_formed(text):
        raise _RefusedError("A text must not contain a lone surrogate.")
    return encode_basestring(text)


def _integer(value: int) -> str:
    try:
        return int.__repr__(value)
    except ValueError:  # More digits than Python converts, which is more than memX takes.
        raise _RefusedError("The number is too large.") from None


class Decoder:
    """Reads JSON texts of memX.

    Args:
        parse_float: Reads a number that is not an integer, such as `decimal.Decimal`. The default is `float`.
    """

    def __init__(self, parse_float: Callable[[str], Any] | None = None) -> None:
        self._decoder = JSONDecoder(parse_float=parse_float, parse_constant=_refuse_constant)

    def decode(self, text: str) -> Any:
        """Returns the value of a JSON text.

        Raises:
            ValueError: The text is not JSON.
        """
        try:
            return self._decoder.decode(text)
        except RecursionError:
            raise ValueError("The JSON is nested too deeply.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}.")
