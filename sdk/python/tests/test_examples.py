"""The examples run as they are, and Python agents work with agents in TypeScript."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .support.server import NODE, ROOT

RECIPES = {
    "lease": ["no other agent gets it", "free again"],
    "work_queue": ["20 of 20 done"],
    "presence": ["there: present:agent-7, present:agent-8", "present:agent-8 left", "present:agent-7 went silent"],
    "findings": ["40 findings"],
    "counter": ["1 search for 0.3"],
    "read_think_write": ["think again about {'steps': ['search', 'by another agent']}"],
    "replay": ["memX keeps the newer note"],
    "typed": ["x=1.0 y=0.0", "refused by memX: /x"],
}

ADAPTERS = {
    "langgraph_store": ["20 searches"],
    "anthropic_memory": ["File created successfully at: /memories/ada.md", "     3\tlives in Lima"],
    "openai_session": ["I know 1 items", "I know 3 items"],
    "pydantic_agent": ["memx_claim {'claimed': True", "MEMORY.md - task:1 is done"],
}


def environment(url: str, api_key: str = "local_dev_key", **more: str) -> dict[str, str]:
    path = str(ROOT / "sdk/python")
    return {**os.environ, "MEMX_BASE_URL": url, "MEMX_API_KEY": api_key, "PYTHONPATH": path, **more}


def test_every_recipe_is_tested() -> None:
    assert {file.stem for file in (ROOT / "examples/recipes").glob("*.py")} == set(RECIPES)
    assert {file.stem for file in (ROOT / "examples/adapters").glob("*.py")} == set(ADAPTERS)


@pytest.mark.parametrize("name", ADAPTERS)
def test_adapters_run(name: str, url: str) -> None:
    program = ROOT / f"examples/adapters/{name}.py"
    command = [sys.executable, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment(url))
    assert done.returncode == 0, done.stderr
    for line in ADAPTERS[name]:
        assert line in done.stdout


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_run(name: str, url: str) -> None:
    program = ROOT / f"examples/recipes/{name}.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)], capture_output=True, text=True, timeout=120, env=environment(url)
    )
    assert (done.returncode, done.stderr) == (0, "")
    for line in RECIPES[name]:
        assert line in done.stdout


def run_team(url: str, after: int, typescript: list[str], python: list[str]) -> str:
    """Runs a team of both languages, and returns its output."""
    env = environment(url, "agent_key_1", MEMX_AFTER=str(after))
    commands = [[NODE, str(ROOT / f"examples/research-team/{name}-agent.ts")] for name in typescript]
    if python:
        commands.append([sys.executable, "-W", "error", str(ROOT / "examples/research_team.py"), *python])
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        for command in commands
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(outputs)
    return "\n".join(outputs)


TEAMS = [
    ([], ["query", "explorer", "synthesizer", "monitor"]),
    (["query", "synthesizer", "monitor"], ["explorer"]),
    (["explorer"], ["query", "synthesizer", "monitor"]),
]


@pytest.mark.parametrize(("typescript", "python"), TEAMS, ids=["python", "one in python", "one in typescript"])
def test_the_team_answers_in_either_language(url: str, typescript: list[str], python: list[str]) -> None:
    from memx_sdk import MemX

    with MemX("local_dev_key", url) as memx:
        memx.set("memx:begin", 0)
        entry = memx.get("memx:begin")
        assert entry is not None
        output = run_team(url, entry.revision, typescript, python)
        summary = memx.get("memx:summary")
    assert "wrote the final summary" in output
    assert "has its answer" in output
    assert summary is not None
    assert summary.value["final"] is True
    assert len(summary.value["sources"]) > 1


def test_the_team_says_how_to_start_memx(tmp_path: Path) -> None:
    env = environment("http://127.0.0.1:9", "agent_key_1")
    command = [sys.executable, str(ROOT / "examples/research_team.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 1
    assert "make dev" in done.stderr
    done = subprocess.run([*command, "nobody"], capture_output=True, text=True, timeout=120, env=env)
    assert "no agent nobody" in done.stderr
