"""A work queue: a task is a key, and each is finished once."""

import random
import threading

from memx_sdk import Check, ConflictError, Delete, MemX, Set

TASKS = 20
AGENTS = 4


def work(name: str) -> None:
    while todo := [entry.key for entry in memx.keys("tasks:") if entry.key.endswith(":todo")]:
        task = random.choice(todo).removesuffix(":todo")
        try:
            with memx.lease(f"{task}:lease", ttl=30) as lease:
                finish = [Set(f"{task}:done", name, expect=0), Delete(f"{task}:todo")]
                memx.batch([Check(lease.key, lease.revision), *finish])
        except ConflictError:
            pass  # Another agent has this task, or has just finished it.


with MemX() as memx:
    memx.batch([Set(f"tasks:{number}:todo", {"number": number}) for number in range(TASKS)])
    agents = [threading.Thread(target=work, args=[f"agent {number}"]) for number in range(AGENTS)]
    for agent in agents:
        agent.start()
    for agent in agents:
        agent.join()
    done = [entry.key for entry in memx.keys("tasks:") if entry.key.endswith(":done")]
    print(f"{len(done)} of {TASKS} done")
    memx.batch([Delete(key) for key in done])
