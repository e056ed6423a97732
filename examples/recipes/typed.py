"""A key with a type: checked before it is sent, and by memX. Needs `pip install 'memx-sdk[pydantic]'`."""

from pydantic import BaseModel

from memx_sdk import MemX, SchemaViolationError


class Goal(BaseModel):
    x: float
    y: float = 0.0


with MemX() as memx:
    goal = memx.key("typed:goal", Goal, on_schema_change="replace")
    goal.set(Goal(x=1))
    entry = goal.get()
    print(entry.value if entry else None)
    try:
        memx.set("typed:goal", {"x": "far"})  # Another program, without the type.
    except SchemaViolationError as error:
        print("refused by memX:", error.errors[0].path)
