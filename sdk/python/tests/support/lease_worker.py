"""Works through tasks under leases. Arguments: the URL of memX, the start of the keys, a name, the number of tasks.

The worker `w0` waits in its first task until its lease is over, and then tries to write all the same.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import logging

from memx_sdk import Check, ConflictError, Delete, Lease, MemX, Set

url, prefix, name, tasks = sys.argv[1:]
logging.disable()
memx = MemX("local_dev_key", url, retries=20)


def finish(task: str, lease: Lease) -> None:
    """Writes the result and the effect in one step, which fails if the lease is lost."""
    while True:
        effects = memx.get(f"{prefix}effects")
        count, revision = (effects.value, effects.revision) if effects else (0, 0)
        try:
            memx.batch(
                [
                    Check(lease.key, lease.revision),
                    Set(f"{task}:done", {"by": name, "token": lease.token}, expect=0),
                    Set(f"{prefix}effects", count + 1, expect=revision),
                    Delete(task),
                ]
            )
        except ConflictError as conflict:
            # Another worker counted meanwhile; or this one has lost its lease, or renewed it at this moment.
            lease_entry = memx.get(lease.key)
            if conflict.key is None and (lease_entry is None or lease_entry.value != lease.holder):
                raise
        else:
            return


while True:
    open_tasks = [entry.key for entry in memx.keys(f"{prefix}task:") if entry.key.count(":") == prefix.count(":") + 1]
    if not open_tasks:
        break
    task = random.choice(open_tasks)
    try:
        lease = memx.lease(f"{task}:lease", ttl=1 if name == "w0" else 30)
    except ConflictError:
        continue
    try:
        if memx.get(task) is None:
            continue
        if name == "w0":
            print(json.dumps({"task": task}), flush=True)
            # The test stops this process here, and lets it go on when the task is done.
            while memx.get(f"{task}:done") is None:
                time.sleep(0.05)
            try:
                finish(task, lease)
            except ConflictError as error:
                print(json.dumps({"late": True, "why": type(error).__name__}), flush=True)
            break
        time.sleep(random.random() * 0.02)
        finish(task, lease)
    finally:
        lease.release()
memx.close()
