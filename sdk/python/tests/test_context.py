"""`memxContext` beside the client of the original memX, from PyPI, on the same memX."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from memx_sdk import MemxError, memxContext

from .support.environments import ORIGINAL, environment, install, wheel
from .support.proxy import Proxy
from .support.server import Server

SCRIPT = Path(__file__).parent / "support/original_calls.py"


@pytest.fixture(scope="module")
def original() -> Path:
    """A Python that has the published package."""
    return environment(ORIGINAL)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, original: Path) -> Path:
    """A Python in which our wheel has replaced the published package."""
    folder = tmp_path_factory.mktemp("upgraded")
    python = environment(ORIGINAL, "pip")
    install(python, "--reinstall-package", "memx-sdk", str(wheel(folder)))
    return python


def run(python: Path, *arguments: str, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MEMX_", "PYTHON"))}
    # Not in this folder, where Python would find the source.
    done = subprocess.run(
        [str(python), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**clean, **env},
        cwd=tempfile.gettempdir(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_programs_see_the_same_with_either_package(original: Path, ours: Path, each_url: str, prefix: str) -> None:
    before = json.loads(run(original, str(SCRIPT), each_url, f"{prefix}original:"))
    after = json.loads(run(ours, "-W", "error", str(SCRIPT), each_url, f"{prefix}ours:"))
    assert json.loads(json.dumps(after).replace(f"{prefix}ours:", f"{prefix}original:")) == before


def test_the_published_packages_own_test_program_runs_with_either(original: Path, ours: Path, url: str) -> None:
    program = str(next(original.parents[1].glob("lib/*/site-packages/memx_sdk/test_client.py")))
    # The published package calls a server on the internet by default. The test gives it this one.
    patch = (
        "import runpy, sys, memx_sdk.client as client\n"
        "client.memxContext.__init__.__defaults__ = (sys.argv[1],)\n"
        "runpy.run_path(sys.argv[2], run_name='__main__')"
    )
    for output in (run(original, "-c", patch, url, program), run(ours, program, MEMX_BASE_URL=url)):
        # It does not wait until it is subscribed, so the first event may be missing.
        assert "go to hallway" in output


# The differences, as docs/python.md lists them.


def test_the_published_package_calls_a_hosted_server_by_default(original: Path, ours: Path) -> None:
    ask = "from memx_sdk import memxContext; print(memxContext('k').base_url)"
    elsewhere = run(original, "-c", ask, MEMX_BASE_URL="http://127.0.0.1:1").strip()
    assert elsewhere.startswith("https://")
    assert "127.0.0.1" not in elsewhere
    assert run(ours, "-c", ask).strip() == "http://127.0.0.1:8000"
    assert run(ours, "-c", ask, MEMX_BASE_URL="http://127.0.0.1:1").strip() == "http://127.0.0.1:1"


def test_encodes_keys(url: str, prefix: str) -> None:
    memx = memxContext("local_dev_key", url)
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    key = f"{prefix}a/b?c#d%"
    memx.subscribe(key, events.put).wait_ready(60)
    memx.set(key, 1)
    assert events.get(timeout=60)["key"] == key
    memx.close()


def test_reconnects_and_resumes(server: Server, prefix: str) -> None:
    server.start()
    memx = memxContext("local_dev_key", server.url)
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    memx.subscribe(prefix, events.put).wait_ready(60)
    memx.set(prefix, 1)
    assert events.get(timeout=60)["value"] == 1
    server.kill()
    server.start()
    memx.set(prefix, 2)
    assert events.get(timeout=60)["value"] == 2
    memx.close()


def test_keeps_its_connection(proxy: Proxy, prefix: str) -> None:
    memx = memxContext("local_dev_key", proxy.url)
    for number in range(5):
        memx.set(prefix, number)
    assert proxy.accepted == 1
    memx.close()


def test_a_callback_that_raises_does_not_end_the_subscription(
    url: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    memx = memxContext("local_dev_key", url)
    events: queue.Queue[dict[str, Any]] = queue.Queue()

    def note(event: dict[str, Any]) -> None:
        events.put(event)
        raise ZeroDivisionError("mine")

    memx.subscribe(prefix, note).wait_ready(60)
    for number in range(2):
        memx.set(prefix, number)
        assert events.get(timeout=60)["value"] == number
    memx.close()
    assert [record.levelno for record in caplog.records if record.name == "memx_sdk"] == [logging.ERROR] * 2


def test_says_why_a_subscription_ended(url: str, caplog: pytest.LogCaptureFixture) -> None:
    memx = memxContext("reader", url)
    subscription = memx.subscribe("secret", lambda _: None)
    with pytest.raises(MemxError):
        subscription.wait_closed(60)
    while "has ended" not in caplog.text:
        time.sleep(0.01)
    memx.close()


def test_a_subscription_ends_with_close_and_takes_its_thread_along(url: str, prefix: str) -> None:
    memx = memxContext("local_dev_key", url)
    subscription = memx.subscribe(prefix, lambda _: None)
    subscription.wait_ready(60)
    names = {thread.name for thread in threading.enumerate()}
    assert "memx-subscription" in names
    subscription.close()
    for thread in threading.enumerate():
        if thread.name == "memx-subscription":
            thread.join(60)
    assert "memx-subscription" not in {thread.name for thread in threading.enumerate()}
    memx.close()
    memx.close()


def test_its_attributes_may_change(url: str, prefix: str) -> None:
    memx = memxContext("unknown", url)
    with pytest.raises(httpx.HTTPStatusError):
        memx.get(prefix)
    memx.api_key = "local_dev_key"
    assert memx.get(prefix) is None
    memx.close()


def test_the_originals_module_is_there_too() -> None:
    from memx_sdk.client import memxContext as same

    assert same is memxContext
