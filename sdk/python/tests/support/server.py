"""Starts memX as in production on this machine: the bundle on workerd, with SQLite or Redis behind it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
NODE = str(ROOT / "node_modules/.bin/node")

ACCESS_LIST = {
    "local_dev_key": ["*"],
    "agent_key_1": ["memx:*", "agent:*"],
    "reader": {"read": ["public:*"], "write": []},
}

START_SECONDS = 60


def build() -> None:
    """Builds the bundle that `Server` runs."""
    subprocess.run([NODE, "scripts/build.ts"], cwd=ROOT, check=True, capture_output=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A memX on a port that stays the same when it is killed and started again."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._env = env or {}
        self._process: subprocess.Popen[str] | None = None
        self._output: list[str] = []

    def start(self) -> Server:
        env = {
            "PATH": os.environ["PATH"],
            "MEMX_ACL": json.dumps(ACCESS_LIST),
            "MEMX_DATA_DIR": str(self._folder),
            "MEMX_PORT": str(self.port),
            # A busy machine is not a failure.
            "STORE_TIMEOUT_MS": "30000",
            "RATE_LIMIT": "0",
            **self._env,
        }
        self._process = subprocess.Popen(
            [NODE, str(ROOT / "selfhost/start.ts")],
            cwd=self._folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self._process, ready), daemon=True).start()
        if not ready.wait(START_SECONDS) or self._process.poll() is not None:
            self.stop()
            raise RuntimeError("memX did not start:\n" + "".join(self._output))
        return self

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._output.append(line)
                if "memX is ready" in line:
                    ready.set()
        ready.set()

    def kill(self) -> None:
        """Kills workerd and what started it, as a crash does."""
        assert self._process is not None
        for pid in [*children(self._process.pid), self._process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._wait_until_free()

    def stop(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def _wait_until_free(self) -> None:
        while True:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", self.port))
                except OSError:
                    time.sleep(0.02)
                else:
                    return


def children(pid: int) -> list[int]:
    """Returns the processes that a process has started."""
    with suppress(FileNotFoundError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = (line.split() for line in listing.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == pid]


@contextmanager
def running_redis() -> Iterator[str]:
    """Runs a Redis without files, and returns its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
        try:
            while process.poll() is None:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()
