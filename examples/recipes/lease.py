"""A lease: one agent at a time does a job, and what it writes is fenced."""

from memx_sdk import Check, ConflictError, MemX, Set

with MemX() as memx:
    with memx.lease("report:lease", ttl=30) as lease:
        print(f"ours, with token {lease.token}")
        try:
            memx.lease("report:lease", ttl=30)
        except ConflictError:
            print("no other agent gets it")
        lease.check()  # Raises if the lease was lost meanwhile.
        # Written in one step with a check, so an agent that slept through the end of its lease writes nothing.
        memx.batch([Check(lease.key, lease.revision), Set("report", {"text": "…", "token": lease.token})])
    with memx.lease("report:lease", ttl=30, wait=10) as lease:
        print("free again")
