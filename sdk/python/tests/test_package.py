"""The package as it is installed: in fresh environments, over the published one, and for type checkers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .support.environments import ORIGINAL, environment, fresh, install, pythons, uv, wheel

PYTHONS = pythons()

EXTRAS = ["anthropic", "langgraph", "openai-agents", "pydantic", "pydantic-ai"]

LOWEST = ("httpx==0.27.0", "websockets==14.0", "pydantic==2.7.0")

USE = """
import asyncio, sys
from memx_sdk import AsyncMemX, MemX, memxContext
with MemX("local_dev_key", sys.argv[1]) as memx, memx.subscribe(sys.argv[2]) as changes:
    memx.set(sys.argv[2], {"n": 1})
    assert changes.receive(60).value == {"n": 1}
    with memx.lease(sys.argv[2] + "lease", ttl=30):
        pass
async def main():
    async with AsyncMemX("local_dev_key", sys.argv[1]) as memx, memx.subscribe(sys.argv[2]) as changes:
        await memx.set(sys.argv[2], {"n": 2})
        assert (await changes.receive(60)).value == {"n": 2}
        async with memx.lease(sys.argv[2] + "lease", ttl=30):
            pass
asyncio.run(main())
old = memxContext("local_dev_key", sys.argv[1])
assert old.get(sys.argv[2])["value"] == {"n": 2}
print(sorted(name for name in sys.modules if name in ("pydantic", "hypothesis", "pytest")))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(tmp_path_factory.mktemp("wheel"))


def run(python: Path, *arguments: str, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([str(python), *arguments], capture_output=True, text=True, timeout=120, cwd=cwd, env=clean)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_there_is_a_python_to_test() -> None:
    # On a machine with more of them, all are tested.
    assert PYTHONS or sys.version_info >= (3, 10)


@pytest.mark.parametrize("version", PYTHONS)
def test_installs_and_runs_without_extras(
    version: str, package: Path, embedded_url: str, prefix: str, tmp_path: Path
) -> None:
    python = fresh(tmp_path / "env", PYTHONS[version])
    install(python, str(package))
    assert run(python, "-W", "error", "-c", USE, embedded_url, prefix, cwd=tmp_path) == "[]"
    uv("pip", "check", "--python", str(python))
    installed = json.loads(uv("pip", "list", "--format", "json", "--python", str(python)))
    assert {"memx-sdk", "httpx", "websockets"} <= {each["name"] for each in installed}
    frameworks = ("lang", "anthropic", "openai", "pydantic")
    assert [each["name"] for each in installed if each["name"].startswith(frameworks)] == []


def test_replaces_the_published_package(package: Path, tmp_path: Path) -> None:
    python = fresh(tmp_path / "env", sys.executable)
    install(python, ORIGINAL)
    install(python, "--upgrade", str(package))
    assert run(python, "-c", "import memx_sdk; print(memx_sdk.__version__)", cwd=tmp_path) == "0.2.0"
    run(python, "-c", "from memx_sdk import memxContext; from memx_sdk.client import memxContext", cwd=tmp_path)
    uv("pip", "check", "--python", str(python))


def test_runs_with_the_oldest_libraries_that_it_allows(
    package: Path, embedded_url: str, prefix: str, tmp_path: Path
) -> None:
    oldest = next(iter(PYTHONS.values()), sys.executable)
    python = fresh(tmp_path / "env", oldest)
    install(python, str(package), *LOWEST)
    assert run(python, "-c", USE, embedded_url, prefix, cwd=tmp_path) == "[]"
    typed = "import pydantic, memx_sdk, sys; m = memx_sdk.MemX('local_dev_key', sys.argv[1]); "
    typed += "k = m.key(sys.argv[2], dict[str, int]); k.set({'a': 1}); print(k.get().value); m.close()"
    assert run(python, "-c", typed, embedded_url, f"{prefix}typed", cwd=tmp_path) == "{'a': 1}"


def test_says_what_a_typed_key_needs(package: Path, tmp_path: Path) -> None:
    python = fresh(tmp_path / "env", sys.executable)
    install(python, str(package))
    code = "import memx_sdk\ntry: memx_sdk.MemX('k').key('a', int)\nexcept ImportError as error: print(error)"
    assert "memx-sdk[pydantic]" in run(python, "-c", code, cwd=tmp_path)


def test_has_the_package_and_nothing_else(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert "memx_sdk/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"memx_sdk", "memx_sdk-0.2.0.dist-info"}
    assert "Requires-Python: >=3.10" in metadata
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert required == [
        "Requires-Dist: httpx<1,>=0.27",
        "Requires-Dist: websockets>=14",
        "Requires-Dist: anthropic<3,>=2.14; extra == 'anthropic'",
        "Requires-Dist: langgraph-checkpoint<5,>=4.3; extra == 'langgraph'",
        "Requires-Dist: openai-agents<1,>=0.24; extra == 'openai-agents'",
        "Requires-Dist: pydantic>=2.7; extra == 'pydantic'",
        "Requires-Dist: pydantic-ai-harness<1,>=0.54; extra == 'pydantic-ai'",
        "Requires-Dist: pydantic-ai-slim<3,>=2.54; extra == 'pydantic-ai'",
    ]


def test_is_completely_typed(package: Path, tmp_path: Path) -> None:
    python = fresh(tmp_path / "env", sys.executable)
    install(python, f"{package}[{','.join(EXTRAS)}]")
    # The Python on the path is the one whose packages it reads.
    env = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "pyright", "--verifytypes", "memx_sdk", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=env)
    report = json.loads(done.stdout)["typeCompleteness"]
    incomplete = [symbol["name"] for symbol in report["symbols"] if not symbol["isTypeKnown"] and symbol["isExported"]]
    assert incomplete == []
    assert report["completenessScore"] == 1


PROGRAM = """
from typing import Any
from pydantic import BaseModel
from memx_sdk import AsyncMemX, Entry, MemX, SchemaEvent, TypedKey, ValueEvent

class Goal(BaseModel):
    x: float

def use(memx: MemX) -> None:
    goal: TypedKey[Goal] = memx.key("a", Goal)
    entry: Entry[Goal] | None = goal.get()
    goal.set(Goal(x=1))
    goal.update(lambda value: Goal(x=value.x + 1) if value else None)
    for event in goal.subscribe():
        found: Goal | None = event.value
    values: list[ValueEvent[Any]] = [event for event in memx.watch("*")]
    schemas: list[SchemaEvent] = [event for event in memx.watch("*", event="schema")]
    both: list[ValueEvent[Any] | SchemaEvent] = [event for event in memx.watch("*", event="all")]
    memx.subscribe("a", lambda event: print(event.value))

async def use_async(memx: AsyncMemX) -> None:
    goal = memx.key("a", Goal)
    entry: Entry[Goal] | None = await goal.get()
    async with memx.lease("a", ttl=30) as lease:
        token: int = lease.token
    async for key in memx.keys("a"):
        name: str = key.key
"""

MISTAKES = [
    "memx.set('a', 1, exepct=3)",
    "memx.set('a', 1, 3)",
    "memx.key('a', Goal).set(1)",
    "memx.lease('a')",
    "memx.watch('*', event='values')",
]


def test_types_programs(package: Path, tmp_path: Path) -> None:
    python = environment("pydantic")
    install(python, "--reinstall-package", "memx-sdk", str(package))
    (tmp_path / "good.py").write_text(PROGRAM)
    bad = PROGRAM + "\ndef mistakes(memx: MemX) -> None:\n" + "".join(f"    {line}\n" for line in MISTAKES)
    (tmp_path / "bad.py").write_text(bad)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    command = [sys.executable, "-m", "pyright", "--pythonpath", str(python), "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    found = [each for each in json.loads(done.stdout)["generalDiagnostics"] if each["rule"] != "reportUnusedVariable"]
    assert [each["message"] for each in found if each["file"].endswith("good.py")] == []
    first = len(bad.splitlines()) - len(MISTAKES)
    lines = {each["range"]["start"]["line"] for each in found if each["file"].endswith("bad.py")}
    assert lines == set(range(first, first + len(MISTAKES)))
