"""What the typed keys of both clients share: values of a type as JSON, and the schema of the type. It does no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

from ._errors import (
    FieldError,
    InvalidRequestError,
    InvalidSchemaError,
    SchemaChangedError,
    SchemaViolationError,
)
from ._json import encode, escape_pointer
from ._models import Entry, JsonSchema, StoredSchema, ValueEvent

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

OnSchemaChange: TypeAlias = Literal["raise", "replace", "keep"]
"""What a typed key does if the key has another schema in memX, set by somebody else.

`raise`: it raises `SchemaChangedError` and writes nothing. `replace`: it sets its own schema. In a rolling deploy, the
process that starts last wins. `keep`: it leaves the schema in memX. Values must then match both.

Two schemas are the same if they are equal as JSON. A schema was set by somebody else unless its revision is that of the
last schema that this client set for the key. So a process that has started again counts as somebody else.
"""

MAX_ATTEMPTS = 10
"""So many other clients in a row have set the schema between reading and setting it."""


class Adapter(Generic[T]):
    """Values of a type, such as a pydantic model, a dataclass, or a `TypedDict`."""

    def __init__(self, key: str, kind: Any, on_schema_change: OnSchemaChange) -> None:
        try:
            import pydantic
        except ImportError as error:
            raise ImportError("A typed key needs pydantic: pip install 'memx-sdk[pydantic]'.") from error
        if on_schema_change not in ("raise", "replace", "keep"):
            message = 'on_schema_change must be "raise", "replace", or "keep".'
            raise InvalidRequestError("invalid_request", message, key=key)
        self.key = key
        self._pydantic = pydantic
        self._on_schema_change = on_schema_change
        self._adapter: TypeAdapter[T] = pydantic.TypeAdapter(kind)

    def schema(self) -> JsonSchema:
        """Returns the JSON Schema of what the type writes.

        Raises:
            InvalidSchemaError: JSON Schema cannot describe the type.
        """
        try:
            return self._adapter.json_schema(mode="serialization", by_alias=True)
        except self._pydantic.errors.PydanticInvalidForJsonSchema as error:
            message = f"The type cannot be converted to JSON Schema: {error}"
            raise InvalidSchemaError("invalid_schema", message, key=self.key) from error

    def dump(self, value: object) -> Any:
        """Returns a value as JSON, with defaults filled in.

        Raises:
            SchemaViolationError: The value does not match the type.
        """
        try:
            checked = self._adapter.validate_python(value)
            return self._adapter.dump_python(checked, mode="json", by_alias=True, warnings="error")
        except self._pydantic.ValidationError as error:
            raise self._violation(error) from error
        except self._pydantic.errors.PydanticUserError:
            raise
        except ValueError as error:  # pydantic's serializer has an error of its own.
            message = f"The value does not match the key's schema. {error}"
            raise SchemaViolationError("schema_violation", message, key=self.key) from error

    def load(self, json: Any) -> T:
        """Returns the value of a JSON.

        Raises:
            SchemaViolationError: The value does not match the type, for example because it is older than the schema.
        """
        try:
            # As JSON, because a strict type takes fewer values from Python than from JSON.
            return self._adapter.validate_json(encode(json))
        except self._pydantic.ValidationError as error:
            raise self._violation(error) from error

    def load_entry(self, entry: Entry[Any] | None) -> Entry[T] | None:
        return None if entry is None else replace(entry, value=self.load(entry.value))

    def load_event(self, event: ValueEvent[Any]) -> ValueEvent[T]:
        return replace(event, value=self.load(event.value)) if event.action == "set" else event

    def decide(self, stored: StoredSchema | None, own_revision: int | None) -> JsonSchema | None:
        """Returns the schema to set, or None if the one in memX stays.

        Args:
            stored: The key's schema in memX.
            own_revision: The revision of the last schema that this client set for the key.

        Raises:
            SchemaChangedError: The key has another schema.
        """
        schema = self.schema()
        if stored is None:
            return schema
        if _is_same(stored.schema, schema):
            return None
        if stored.revision == own_revision or self._on_schema_change == "replace":
            return schema
        if self._on_schema_change == "keep":
            return None
        message = (
            f"The key {self.key} has another schema in memX, which this client did not set. Nothing was written. Pass "
            'on_schema_change="replace" to memx.key() to replace the schema, or "keep" to write values that match both.'
        )
        raise SchemaChangedError("schema_changed", message, key=self.key, current=stored)

    def _violation(self, error: ValidationError) -> SchemaViolationError:
        errors = tuple(
            FieldError("".join(f"/{escape_pointer(str(segment))}" for segment in each["loc"]), each["msg"])
            for each in error.errors(include_url=False)
        )
        where = f" {errors[0].path or 'The value'}: {errors[0].message}." if errors else ""
        message = f"The value does not match the key's schema.{where}"
        return SchemaViolationError("schema_violation", message, key=self.key, errors=errors)


def _is_same(a: object, b: object) -> bool:
    """Compares as JSON. Python takes True for 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_is_same(a[name], b[name]) for name in a)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_is_same, a, b))  # pyright: ignore[reportUnknownArgumentType]
    return a == b
