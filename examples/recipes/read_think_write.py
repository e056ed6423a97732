"""Read, think, write: a new value goes in only if the old one is still there."""

from memx_sdk import ConflictError, MemX

with MemX() as memx:
    memx.set("plan", {"steps": ["search"]})
    entry = memx.get("plan")
    assert entry is not None
    memx.append("plan", ["by another agent"], path="/steps")
    try:
        memx.set("plan", {"steps": [*entry.value["steps"], "mine"]}, expect=entry.revision)
    except ConflictError as conflict:
        print("think again about", conflict.current_entry.value if conflict.current_entry else None)
    # `update` does that by itself.
    plan = memx.update("plan", lambda plan: {"steps": [*plan["steps"], "mine"]})
    print(plan.value["steps"] if plan else None)
