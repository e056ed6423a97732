"""JSON keeps every digit, and what JSON cannot say is refused with its place."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memx_sdk import FieldError, InvalidRequestError
from memx_sdk._json import Decoder, encode

from .support.values import JSON_VALUES


class Color(IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0, "0"),
        (9007199254740993, "9007199254740993"),
        (10**300, "1" + "0" * 300),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e300, "1e+300"),
        (Decimal("0.1000000000000000055"), "0.1000000000000000055"),
        (Decimal("1E+2"), "1E+2"),
        (Decimal("-0"), "-0"),
        (Color.RED, "1"),
        ('é🎈"\\\n\u2028', '"é🎈\\"\\\\\\n\u2028"'),
        ([], "[]"),
        ((1, [2]), "[1,[2]]"),
        ({}, "{}"),
        (OrderedDict(a=1, b={"c": None}), '{"a":1,"b":{"c":null}}'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
    ],
)
def test_writes(value: object, text: str) -> None:
    assert encode(value) == text


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        (math.nan, "", "JSON has no nan."),
        ([1, {"a/b~c": math.inf}], "/1/a~1b~0c", "JSON has no inf."),
        ({"x": Decimal("NaN")}, "/x", "JSON has no NaN."),
        ({"x": {1, 2}}, "/x", "JSON has no set."),
        ({"x": b"1"}, "/x", "JSON has no bytes."),
        ({"x": object}, "/x", "JSON has no type."),
        ({"x": {1: 2}}, "/x", "A member name must be a str, not int."),
        (["\ud800"], "/0", "A text must not contain a lone surrogate."),
        ({"\udc00": 1}, "", "A text must not contain a lone surrogate."),
        pytest.param(10**5000, "", "The number is too large.", id="10**5000"),
        (nested(65), "/0" * 64, "A value must not have more than 64 levels of arrays and objects."),
        (LOOP, "/0" * 64, "A value must not have more than 64 levels of arrays and objects."),
    ],
)
def test_refuses_with_the_place(value: object, path: str, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        encode(value, "a")
    assert caught.value.errors == (FieldError(path, message),)
    assert caught.value.key == "a"
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_takes_64_levels() -> None:
    assert encode(nested(64)).count("[") == 64


@given(JSON_VALUES)
def test_reads_what_it_writes(value: Any) -> None:
    assert Decoder().decode(encode(value)) == value


@given(JSON_VALUES)
def test_writes_what_the_standard_library_reads(value: Any) -> None:
    assert json.loads(encode(value)) == value


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_keeps_decimals(number: Decimal) -> None:
    text = encode(number)
    again = Decoder(parse_float=Decimal).decode(text)
    # An integer comes back as int.
    assert again == number
    assert isinstance(again, int) or str(again) == str(number)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{'a':1}", "", "[" * 100_000])
def test_reads_only_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Decoder().decode(text)
