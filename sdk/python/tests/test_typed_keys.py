"""Keys with a type, of both clients."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal

import pydantic
import pytest
from typing_extensions import TypedDict

from memx_sdk import (
    AsyncMemX,
    ConflictError,
    InvalidRequestError,
    InvalidSchemaError,
    MemX,
    SchemaChangedError,
    SchemaViolationError,
)

Create = Callable[..., Any]


class Goal(pydantic.BaseModel):
    x: float
    y: float = 0.0


@dataclass
class Point:
    x: int
    y: int


class Plan(TypedDict):
    steps: list[str]


class State(enum.Enum):
    OPEN = "open"
    DONE = "done"


class Rich(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, populate_by_name=True)
    at: datetime
    state: State
    tags: set[str]
    link: Annotated[str, pydantic.Field(alias="@id")]
    pair: tuple[int, int]


def test_models_dataclasses_and_typed_dicts_come_back_as_they_were_written(memx: Any, prefix: str) -> None:
    for name, kind, value in [
        ("goal", Goal, Goal(x=1.5, y=7)),
        ("point", Point, Point(1, 2)),
        ("plan", Plan, {"steps": ["a", "b"]}),
        ("list", list[int], [1, 2, 10**30]),
        (
            "rich",
            Rich,
            Rich(
                at=datetime(2026, 11, 25, tzinfo=timezone.utc), state=State.DONE, tags={"a"}, link="urn:x", pair=(1, 2)
            ),
        ),
    ]:
        key = memx.key(prefix + name, kind)
        assert key.get() is None
        written = key.set(value)
        entry = key.get()
        assert (entry.value, type(entry.value), entry.revision) == (value, type(value), written.revision)
        assert memx.get_schema(prefix + name) is not None
        assert [change.action for change in key.history()] == ["set", "set"]  # Value and schema.
        assert key.delete().deleted


def test_writes_defaults_so_that_every_reader_has_them(memx: Any, prefix: str) -> None:
    memx.key(prefix, Goal).set({"x": 1})
    assert memx.get(prefix).value == {"x": 1.0, "y": 0.0}
    with pytest.raises(SchemaViolationError):
        memx.set(prefix, {"y": 1})  # memX checks it too.


def test_refuses_a_value_before_it_is_sent(memx: Any, prefix: str) -> None:
    key = memx.key(prefix, Goal)
    with pytest.raises(SchemaViolationError) as caught:
        key.set({"x": "far", "y": 1})
    assert [error.path for error in caught.value.errors] == ["/x"]
    assert caught.value.status is None
    with pytest.raises(SchemaViolationError):
        key.set(Goal.model_construct(x="far"))
    assert memx.get_schema(prefix) is None


def test_a_value_that_is_older_than_the_schema_is_reported(memx: Any, prefix: str) -> None:
    memx.set(prefix, {"x": "old"})
    key = memx.key(prefix, Goal)
    with pytest.raises(SchemaViolationError):
        key.get()
    with key.subscribe(snapshot=True) as changes:
        with pytest.raises(SchemaViolationError):
            changes.receive(60)
        key.set(Goal(x=1))
        assert changes.receive(60).value == Goal(x=1)
        key.delete()
        assert changes.receive(60).value is None


def test_updates(memx: Any, prefix: str) -> None:
    key = memx.key(prefix, Point)
    assert key.update(lambda _: None) is None
    assert key.update(lambda point: Point(point.x + 1, 0) if point else Point(1, 0)).value == Point(1, 0)
    assert key.update(lambda point: Point(point.x + 1, 0) if point else Point(1, 0)).value == Point(2, 0)
    with pytest.raises(SchemaViolationError):
        key.update(lambda _: "no point")
    assert key.get().value == Point(2, 0)


def test_callbacks_get_values_of_the_type(create: Create, prefix: str) -> None:
    import queue

    memx = create()
    seen: queue.Queue[Any] = queue.Queue()
    key = memx.key(prefix, Point)
    key.subscribe(seen.put).wait_ready(60)
    key.set(Point(1, 2))
    assert seen.get(timeout=60).value == Point(1, 2)


def test_does_not_replace_the_schema_of_somebody_else(create: Create, prefix: str) -> None:
    class Later(pydantic.BaseModel):
        x: float
        y: float = 0.0
        z: float = 0.0

    first, second = create(), create()
    first.key(prefix, Goal).set(Goal(x=1))
    later = second.key(prefix, Later)
    with pytest.raises(SchemaChangedError) as caught:
        later.set(Later(x=1))
    assert caught.value.current.key == prefix
    assert "on_schema_change" in str(caught.value)
    # The same schema, in any order of members, is no change.
    second.key(prefix, Goal).set(Goal(x=2))
    kept = second.key(prefix, Later, on_schema_change="keep")
    kept.set(Later(x=3))
    assert "z" not in str(first.get_schema(prefix).schema)
    second.key(prefix, Later, on_schema_change="replace").register()
    assert "z" in str(first.get_schema(prefix).schema)
    # A client may replace its own schema.
    second.key(prefix, Goal).set(Goal(x=4))
    with pytest.raises(InvalidRequestError):
        first.key(prefix, Goal, on_schema_change="ignore")


def test_tries_again_if_another_client_sets_the_schema_meanwhile(
    url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MemX("local_dev_key", url) as memx:
        attempts: list[int] = []
        real = memx.set_schema

        def contested(key: str, schema: Any, **options: Any) -> Any:
            attempts.append(options["expect"])
            if len(attempts) < 3:
                raise ConflictError("conflict", "…")
            return real(key, schema, **options)

        monkeypatch.setattr(memx, "set_schema", contested)
        memx.key(prefix, Goal).register()
        assert attempts == [0, 0, 0]

        def lost(*_: Any, **__: Any) -> Any:
            raise ConflictError("conflict", "…")

        monkeypatch.setattr(memx, "set_schema", lost)
        with pytest.raises(ConflictError):
            memx.key(f"{prefix}2", Goal).register()


async def test_tries_again_in_the_asyncio_client_too(url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncMemX("local_dev_key", url) as memx:

        async def lost(*_: Any, **__: Any) -> Any:
            raise ConflictError("conflict", "…")

        monkeypatch.setattr(memx, "set_schema", lost)
        with pytest.raises(ConflictError):
            await memx.key(prefix, Goal).register()

        async def later(goal: Goal | None) -> Goal:
            return Goal(x=goal.x + 1 if goal else 0)

        monkeypatch.undo()
        entry = await memx.key(prefix, Goal).update(later)
        assert entry is not None
        assert entry.value == Goal(x=0)


def test_a_type_without_a_json_schema_is_refused(memx: Any, prefix: str) -> None:
    key = memx.key(prefix, Callable[[], int])
    with pytest.raises(InvalidSchemaError):
        key.register()
    with pytest.raises(InvalidRequestError):
        memx.key("", Goal)


def test_schemas_are_compared_as_json(url: str) -> None:
    from memx_sdk._typed import _is_same

    assert _is_same({"a": [1, {"b": True}], "c": 1}, {"c": 1.0, "a": [1, {"b": True}]})
    for other in ({"a": 1}, {"a": True, "b": 1}, {"a": [True]}, {"a": 2}, [], None):
        assert not _is_same({"a": True}, other)
    assert not _is_same([1], [1, 2])


def test_decimals_keep_their_digits(create: Create, prefix: str) -> None:
    key = create(parse_float=Decimal).key(prefix, dict[Literal["price"], Decimal])
    value: dict[Any, Any] = {"price": Decimal("0.1000000000000000055")}
    key.set(value)
    assert key.get().value == value


@pytest.fixture
def without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pydantic", None)


def test_says_what_to_install(memx: Any, without_pydantic: None) -> None:
    with pytest.raises(ImportError, match=r"memx-sdk\[pydantic\]"):
        memx.key("a", int)
