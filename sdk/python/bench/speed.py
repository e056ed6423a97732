"""Measures this client beside the published client of the original memX, on the same memX, in one run.

    node scripts/build.ts && sdk/python/.venv/bin/python sdk/python/bench/speed.py

It starts memX itself. Each measurement is a process of its own, and the two clients take turns. The ratios count; the
milliseconds depend on the machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.environments import ORIGINAL, environment, install, wheel
from tests.support.server import Server, build

ROUNDS = 5
CALLS = 300
EVENTS = 100

PROGRAM = f"""
import json, sys, threading, time
from memx_sdk import memxContext
url, prefix = sys.argv[1:]
memx = memxContext(api_key="local_dev_key", base_url=url)
memx.set(prefix, 0)

def measure(call):
    times = []
    for number in range({CALLS}):
        began = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]

result = {{"set": measure(lambda n: memx.set(prefix, n)), "get": measure(lambda n: memx.get(prefix))}}

arrived = threading.Semaphore(0)
memx.subscribe(prefix + "live", lambda event: arrived.release())
while not arrived.acquire(timeout=0.2):
    memx.set(prefix + "live", "begin")
time.sleep(0.5)
while arrived.acquire(blocking=False):
    pass
# From the call of `set` to the call of the callback.
times = []
for number in range({EVENTS}):
    began = time.perf_counter()
    memx.set(prefix + "live", number)
    arrived.acquire()
    times.append(time.perf_counter() - began)
result["subscribe"] = sorted(times)[len(times) // 2]
print(json.dumps(result))
"""


def main() -> None:
    build()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder)).start()
        try:
            built = wheel(Path(folder) / "wheel")
            ours = environment("httpx", "websockets")
            install(ours, "--reinstall-package", "memx-sdk", str(built))
            pythons = {"original": environment(ORIGINAL), "ours": ours}
            found: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
            for number in range(ROUNDS):
                for name, python in pythons.items():
                    command = [str(python), "-c", PROGRAM, server.url, f"{name}{number}:"]
                    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
                    found[name].append(json.loads(done.stdout))
        finally:
            server.stop()
    print(f"median of {ROUNDS} runs, of {CALLS} calls or {EVENTS} events each, in ms")
    for what in ("set", "get", "subscribe"):
        old, new = (statistics.median(run[what] for run in found[name]) * 1000 for name in ("original", "ours"))
        print(f"{what:10} original {old:7.2f}   ours {new:7.2f}   original / ours {old / new:5.1f}")


if __name__ == "__main__":
    main()
