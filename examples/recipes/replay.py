"""Replaying work: what was written since stays."""

import time

from memx_sdk import MemX

with MemX() as memx:
    memx.delete("note")
    offline_since = time.time() - 60
    memx.set("note", "written by an agent that was online")
    late = memx.set("note", "written offline, and sent later", ts=offline_since)
    print("updated" if late.updated else "memX keeps the newer note")
