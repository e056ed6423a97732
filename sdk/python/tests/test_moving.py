"""From the Redis of an original memX into this one, for programs that go on with the original's client."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from .support.environments import ORIGINAL, environment
from .support.server import NODE, ROOT, running_redis

VALUES: dict[str, tuple[Any, float]] = {
    "agent:goal": ({"x": 1.0, "y": [True, None, "ü 😀"]}, 1716000000.123456),
    "count": (9007199254740993, 1716000001.5),
    "a key/with ?signs": ("text", 1716000002),
    "nothing": (None, 1716000003.25),
}
SCHEMA = {"type": "object", "required": ["x"]}

READER = """
import json, sys
from memx_sdk import memxContext

url, prefix, keys = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
memx = memxContext(api_key="local_dev_key", base_url=url)
goal = prefix + "agent:goal"
values = {key: memx.get(prefix + key) for key in keys}
print(json.dumps({"values": values, "schema": memx.get_schema(goal)}))
memx.set(goal, {"x": 2})
print(json.dumps(memx.get(goal)["value"]))
"""


def run(*command: str, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MEMX_", "PYTHON"))}
    done = subprocess.run(
        command, capture_output=True, text=True, env={**clean, **env}, cwd=tempfile.gettempdir(), timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def original() -> Path:
    """A Python that has the published package."""
    return environment(ORIGINAL)


def fill(redis: str, namespace: str, prefix: str) -> None:
    """Writes as the original does: each key begins with its namespace, and each value is JSON beside its time."""
    stored = {
        f"memx:value:{namespace}:{prefix}{key}": json.dumps({"value": value, "ts": ts})
        for key, (value, ts) in VALUES.items()
    }
    stored[f"memx:schema:{namespace}:{prefix}agent:goal"] = json.dumps(SCHEMA)
    stored[f"memx:value:another0:{prefix}agent:goal"] = json.dumps({"value": "of another user", "ts": 1})
    for key, text in stored.items():
        run("redis-cli", "-u", redis, "set", key, text)


def test_the_originals_client_reads_what_was_imported(original: Path, each_url: str, prefix: str) -> None:
    with running_redis() as redis:
        fill(redis, "a1b2c3d4", prefix)
        arguments = ["import", "--from-original", redis, "--namespace", "a1b2c3d4"]
        cli = str(ROOT / "sdk/typescript/cli.ts")
        run(NODE, cli, *arguments, MEMX_BASE_URL=each_url, MEMX_API_KEY="local_dev_key")
    lines = run(str(original), "-c", READER, each_url, prefix, json.dumps(list(VALUES))).splitlines()
    seen = json.loads(lines[0])
    assert {key: (entry["value"], entry["ts"]) for key, entry in seen["values"].items()} == VALUES
    assert seen["schema"]["schema"] == SCHEMA
    assert json.loads(lines[1]) == {"x": 2}
