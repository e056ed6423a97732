"""The memX that tests call, and what no test may leave behind."""

from __future__ import annotations

import gc
import itertools
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memx_sdk import AsyncMemX, MemX

from .support.both import AsSync, Loop
from .support.proxy import Proxy
from .support.server import Server, build, running_redis

NUMBERS = itertools.count()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Builds memX once, however many processes run the tests."""
    if not hasattr(session.config, "workerinput"):
        build()


@pytest.fixture(scope="session")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a memX on SQLite."""
    server = Server(tmp_path_factory.mktemp("memx")).start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a memX on Redis."""
    with running_redis() as redis:
        server = Server(tmp_path_factory.mktemp("memx"), {"REDIS_URL": redis}).start()
        yield server.url
        server.stop()


@pytest.fixture
def url(embedded_url: str) -> str:
    return embedded_url


@pytest.fixture(params=["embedded", "redis"])
def each_url(request: pytest.FixtureRequest) -> str:
    """The URL of a memX on each engine."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A memX of the test's own, to kill and start again."""
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    proxy = Proxy(url)
    yield proxy
    proxy.close()


@pytest.fixture
def calls() -> str:
    """How the calls of the clients reach memX. A module may have other ones."""
    return "auto"


@pytest.fixture(params=["sync", "async"])
def create(request: pytest.FixtureRequest, url: str, calls: str) -> Iterator[Callable[..., Any]]:
    """Creates a client of each kind. The one for asyncio has the interface of the other one."""
    opened: list[Any] = []
    loop = Loop() if request.param == "async" else None

    def create(api_key: str | None = "local_dev_key", base_url: str | None = url, **options: Any) -> Any:
        if "http_client" not in options:
            options = {"calls": calls, **options}
        if loop is None:
            client: Any = MemX(api_key, base_url, **options)
        else:
            client = AsSync(loop.run(lambda: AsyncMemX(api_key, base_url, **options)), loop)
        opened.append(client)
        return client

    yield create
    for client in opened:
        client.close()
    if loop is not None:
        tasks = loop.tasks()
        loop.close()
        assert (tasks, loop.failures) == ([], [])


@pytest.fixture
def memx(create: Callable[..., Any]) -> Any:
    """A client of each kind."""
    return create()


@pytest.fixture
def prefix() -> str:
    """The start of keys that no other test has."""
    return f"t{next(NUMBERS)}-{uuid.uuid4().hex[:6]}:"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in [name for name in os.environ if name.startswith("MEMX_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "create" in request.fixturenames or "url" in request.fixturenames:
        # A socket that is left open is reported in this test, and in no other.
        gc.collect()
    left = [thread for thread in threading.enumerate() if thread.name.startswith("memx-")]
    for thread in left:
        thread.join(10)
    assert [thread.name for thread in left if thread.is_alive()] == []
