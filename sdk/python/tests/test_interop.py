"""The Python clients beside the TypeScript client: one scenario, and values that go back and forth."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memx_sdk import Check, ConflictError, Delete, MemX, MemxError, Set

from .support.server import NODE, ROOT
from .support.values import KEYS, TEXTS

TEXT = (ROOT / "sdk/scenario.json").read_text()
HERE = ROOT / "sdk/python/tests/support"
OPERATIONS: dict[str, Any] = {"set": Set, "delete": Delete, "check": Check}


def scenario(prefix: str) -> dict[str, Any]:
    return json.loads(TEXT.replace('"$', f'"{prefix}'))


def expected(prefix: str) -> dict[str, Any]:
    steps = scenario(prefix)["steps"]
    results = [step["fails"] if "fails" in step else step["gives"] for step in steps]
    return {"results": results, "events": scenario(prefix)["events"]}


class Runner:
    """Runs the scenario with a client of Python."""

    def __init__(self, memx: Any) -> None:
        self._memx = memx
        self._revisions: dict[str, int] = {}

    def run(self, prefix: str) -> dict[str, Any]:
        with self._memx.watch(f"{prefix}*") as changes:
            results = [self._step(step) for step in scenario(prefix)["steps"]]
            events = [changes.receive(60) for _ in scenario(prefix)["events"]]
        return {"results": results, "events": [[event.key, event.action, event.value] for event in events]}

    def _step(self, step: dict[str, Any]) -> Any:
        call, options = step["call"], dict(step.get("options", {}))
        if isinstance(options.get("expect"), dict):
            options["expect"] = self._revisions[options["expect"]["revision"]]
        try:
            result = self._send(call, step["args"], options)
        except MemxError as error:
            return describe_error(error)
        if "name" in step:
            self._revisions[step["name"]] = result.revision
        return describe(call, result)

    def _send(self, call: str, args: list[Any], options: dict[str, Any]) -> Any:
        if call == "update":
            return self._memx.update(args[0], lambda value: (value or 0) + args[1]["add"], **options)
        if call == "batch":
            operations = [{**operation} for operation in args[0]]
            return self._memx.batch([OPERATIONS[each.pop("op")](**each) for each in operations], **options)
        result = getattr(self._memx, call)(*args, **options)
        if call == "lease":
            result.release()
        return list(result) if call in ("keys", "history") else result


def describe(call: str, result: Any) -> Any:
    if result is None:
        return None
    if call == "history":
        return [{**of(each, "event", "action"), **of(each, "value")} for each in result]
    if call == "keys":
        return [of(each, "key", "value") for each in result]
    if call == "batch":
        return {"results": [of(each, "updated", "deleted") for each in result.results]}
    return of(result, "key", "schema", "holder", "updated", "deleted", "value")


def of(result: Any, *names: str) -> dict[str, Any]:
    found = {name: getattr(result, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def describe_error(error: MemxError) -> dict[str, Any]:
    described: dict[str, Any] = {"error": type(error).__name__, "code": error.code}
    if error.code != "invalid_request":
        described["status"] = error.status
    if isinstance(error, ConflictError) and error.current_entry is not None:
        described["current"] = {"value": error.current_entry.value}
    if "schema" in error.code:
        described["paths"] = [each.path for each in error.errors]
    return described


def test_the_scenario_in_python(create: Callable[..., Any], each_url: str, prefix: str) -> None:
    assert Runner(create(base_url=each_url)).run(prefix) == expected(prefix)


def test_the_scenario_in_typescript(each_url: str, prefix: str) -> None:
    command = [NODE, str(HERE / "run-scenario.ts"), each_url, prefix]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected(prefix)


# Values. A number of JavaScript is a double: other numbers change in its hands, and not in memX's.

SHARED_NUMBERS = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
# An object of JavaScript takes `__proto__` for something else, and orders names that are numbers.
SHARED_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | SHARED_NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


@pytest.fixture
def copy(url: str) -> Iterator[Callable[[str, str], None]]:
    """Copies a value from one key to another, with the TypeScript client."""
    process = subprocess.Popen(
        [NODE, str(HERE / "echo.ts"), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def copy(source: str, target: str) -> None:
        stdin.write(json.dumps([source, target]) + "\n")
        stdin.flush()
        assert stdout.readline() == "done\n"

    yield copy
    stdin.close()
    assert process.wait(60) == 0
    stdout.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=KEYS, value=SHARED_VALUES)
def test_values_go_back_and_forth(
    copy: Callable[[str, str], None], url: str, prefix: str, key: str, value: Any
) -> None:
    with MemX("local_dev_key", url) as memx:
        memx.set(f"{prefix}there:{key}", value)
        copy(f"{prefix}there:{key}", f"{prefix}back:{key}")
        entry = memx.get(f"{prefix}back:{key}")
    assert entry is not None
    assert as_doubles(entry.value) == as_doubles(value)


def as_doubles(value: Any) -> Any:
    """JavaScript writes a large double without a point, so it comes back as an int."""
    if isinstance(value, dict):
        return {name: as_doubles(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_doubles(item) for item in value]
    return value if value is None or isinstance(value, (bool, str)) else float(value)
