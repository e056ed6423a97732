"""A presence list: an agent that is silent is gone."""

from memx_sdk import MemX

with MemX() as memx, memx.watch("present:*") as changes:
    memx.set("present:agent-7", {"role": "explorer"}, ttl=2)  # An agent writes this every second.
    memx.set("present:agent-8", {"role": "monitor"}, ttl=30)
    print("there:", ", ".join(entry.key for entry in memx.keys("present:")))
    memx.delete("present:agent-8")
    for event in changes:
        if event.action == "delete":
            print(f"{event.key} left")
        elif event.action == "expire":
            print(f"{event.key} went silent")
            break
