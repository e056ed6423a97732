"""Both clients have the same calls, with the same parameters."""

from __future__ import annotations

import inspect
from typing import Any, get_origin

import pytest

import memx_sdk
from memx_sdk import (
    AsyncLease,
    AsyncLeaseContext,
    AsyncMemX,
    AsyncMirror,
    AsyncSubscription,
    AsyncTypedKey,
    Lease,
    MemX,
    Mirror,
    Subscription,
    TypedKey,
)

PAIRS = [
    (MemX, AsyncMemX),
    (Subscription, AsyncSubscription),
    (Mirror, AsyncMirror),
    (Lease, AsyncLease),
    (TypedKey, AsyncTypedKey),
]

SPECIAL = {
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "__iter__": "__aiter__",
    "__next__": "__anext__",
}

SHARED = {*SPECIAL, *SPECIAL.values()}

NOT_AWAITED = {
    "AsyncMemX": {"keys", "history", "subscribe", "watch", "lease", "key", "base_url", "revision", "seen"},
    "AsyncSubscription": {"status", "last_error", "error"},
    "AsyncMirror": {"status", "last_error", "error", "revision", "covers", "get", "entries", "on_change"},
    "AsyncLease": {"check", "abandon", "revision"},
    "AsyncTypedKey": {"subscribe", "history"},
}
"""What the asyncio client has without `await`: iterators, what returns at once, and properties."""


def members(kind: type[Any]) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_") or name in SHARED}


def parameters(function: Any) -> list[tuple[str, Any, Any, Any]]:
    """Names, kinds, defaults, and annotations, with the names of one client for both."""
    return [
        (each.name, each.kind, each.default, str(each.annotation).replace("Async", ""))
        for each in inspect.signature(function).parameters.values()
    ]


def without_coroutines(found: list[tuple[str, Any, Any, Any]]) -> list[tuple[str, Any, Any, Any]]:
    # A coroutine function may change a value too.
    return [
        (name, kind, default, annotation.replace(" | Awaitable[T | None]", ""))
        for name, kind, default, annotation in found
    ]


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_calls_are_the_same(sync: type[Any], other: type[Any]) -> None:
    own, others = members(sync), members(other)
    if other is AsyncLease:
        others |= {name: vars(AsyncLeaseContext)[name] for name in ("__aenter__", "__aexit__")}
    assert [SPECIAL.get(name, name) for name in own] == list(others)
    for name, value in own.items():
        twin = others[SPECIAL.get(name, name)]
        if isinstance(value, property):
            assert isinstance(twin, property)
            continue
        assert parameters(value) == without_coroutines(parameters(twin)), name


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_constructors_are_the_same(sync: type[Any], other: type[Any]) -> None:
    if sync is MemX:
        assert parameters(MemX.__init__) == parameters(AsyncMemX.__init__)


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_every_call_that_talks_to_memx_is_awaited(sync: type[Any], other: type[Any]) -> None:
    for name, value in members(other).items():
        is_awaited = inspect.iscoroutinefunction(value)
        assert is_awaited is not (name in NOT_AWAITED[other.__name__] or name == "__aiter__"), name


@pytest.mark.parametrize("name", memx_sdk.__all__)
def test_everything_public_has_a_docstring(name: str) -> None:
    value = getattr(memx_sdk, name)
    # In Python 3.10, a type of functions is a class too.
    if not inspect.isclass(value) or get_origin(value) is not None:
        return
    assert value.__doc__, name
    for member, function in members(value).items():
        if inspect.isfunction(function) and member not in SHARED:
            assert function.__doc__, f"{name}.{member}"


@pytest.mark.parametrize("kind", [MemX, AsyncMemX])
def test_every_call_has_an_example(kind: type[Any]) -> None:
    for name, function in members(kind).items():
        if inspect.isfunction(function) and name not in SHARED:
            assert ">>>" in (function.__doc__ or ""), name
