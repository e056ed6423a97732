"""memX's LangGraph store: what LangGraph's tests require of its own stores, and what memX adds."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchItem,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from memx_sdk import AsyncMemX, ConflictError, InvalidRequestError, MemX, SchemaViolationError
from memx_sdk.langgraph import AsyncMemxStore, MemxStore

from .support.amounts import of_long_run
from .support.both import Loop
from .support.server import NODE, ROOT


class AsSync:
    """An `AsyncMemxStore` with the interface of `MemxStore`."""

    def __init__(self, store: AsyncMemxStore, loop: Loop) -> None:
        self._store = store
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, f"a{name}")
        return lambda *args, **options: self._loop.run(lambda: method(*args, **options))


@pytest.fixture(params=["sync", "async", "sync in threads"])
def new_store(request: pytest.FixtureRequest, each_url: str) -> Iterator[Callable[..., Any]]:
    """Creates a store of each kind. The one for asyncio has the interface of the other one."""
    clients: list[Any] = []
    loop = Loop()

    def create(prefix: str, **options: Any) -> Any:
        if request.param == "async":
            memx: Any = loop.run(lambda: AsyncMemX("local_dev_key", each_url))
            store: Any = AsSync(AsyncMemxStore(memx, prefix, **options), loop)
        else:
            memx = MemX("local_dev_key", each_url)
            store = MemxStore(memx, prefix, **options)
            if request.param == "sync in threads":
                store = Threaded(store, loop)
        clients.append(memx)
        return store

    yield create
    for client in clients:
        if isinstance(client, AsyncMemX):
            loop.run(client.close)
        else:
            client.close()
    loop.close()


class Threaded(AsSync):
    """The methods for asyncio of a `MemxStore`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name) if name == "update" else super().__getattr__(name)


@pytest.fixture
def store(new_store: Callable[..., Any], prefix: str) -> Any:
    return new_store(prefix)


def keys(items: list[SearchItem]) -> list[str]:
    return ["/".join((*item.namespace, item.key)) for item in items]


def test_puts_gets_overwrites_and_deletes(store: Any) -> None:
    assert store.get(("docs",), "a") is None
    store.put(("docs",), "a", {"title": "one", "deep": {"list": [1, "2", None]}})
    first = store.get(("docs",), "a")
    assert (first.namespace, first.key) == (("docs",), "a")
    assert first.value == {"title": "one", "deep": {"list": [1, "2", None]}}
    assert first.created_at == first.updated_at
    store.put(("docs",), "a", {"title": "two"})
    second = store.get(("docs",), "a")
    assert second.value == {"title": "two"}
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at
    updated = store.update(("docs",), "a", lambda value: {**value, "n": 1})
    assert updated == store.get(("docs",), "a")
    assert store.update(("docs",), "a", lambda value: None).value == {"title": "two", "n": 1}
    store.delete(("docs",), "a")
    store.delete(("docs",), "a")
    assert store.get(("docs",), "a") is None
    assert store.update(("docs",), "a", lambda value: None) is None


def test_a_batch_reads_before_it_writes(store: Any) -> None:
    store.put(("a",), "k", {"n": 1})
    results = store.batch(
        [
            PutOp(("a",), "k", {"n": 2}),
            GetOp(("a",), "k"),
            SearchOp(("a",)),
            PutOp(("a",), "k", {"n": 3}),
            GetOp(("a",), "none"),
            ListNamespacesOp(),
        ]
    )
    assert results[0] is None
    assert results[1].value == {"n": 1}
    assert [item.value for item in results[2]] == [{"n": 1}]
    assert results[3:] == [None, None, [("a",)]]
    assert store.get(("a",), "k").value == {"n": 3}


ODD: list[tuple[str, ...]] = [
    ("a",),
    ("ab",),
    ("a", "b"),
    ("A",),
    ("a*",),
    ("a?",),
    ("[a]",),
    ("a/b",),
    ("a%2Fb",),
    ("ä",),
    ("a\u0308",),
    ("a\nb",),
    ("\u0085",),
    ("😀", "\uffff"),
]


def test_keeps_labels_apart_that_differ_little(store: Any) -> None:
    namespaces = [*ODD, ("a:b",)]
    for n, namespace in enumerate(namespaces):
        store.put(namespace, "k", {"n": n})
    for n, namespace in enumerate(namespaces):
        assert store.get(namespace, "k").value == {"n": n}
        below = {each for each in namespaces if each[: len(namespace)] == namespace}
        assert {item.namespace for item in store.search(namespace)} == below
    assert len(store.search((), limit=100)) == len(namespaces)


def test_filters_by_members(store: Any) -> None:
    values: list[dict[str, Any]] = [
        {"n": 1, "a-b": "x", "deep": {"m": [1, {"k": "v"}]}},
        {"n": 2.5, "a-b": "y"},
        {"n": 10, "tag": "ü"},
    ]
    for n, value in enumerate(values):
        store.put(("f",), str(n), value)

    def found(**members: Any) -> str:
        return "".join(item.key for item in store.search(("f",), filter=members))

    assert found(n=1) == "0"
    assert found(**{"a-b": "y"}) == "1"
    assert found(tag="ü") == "2"
    assert found(n={"$gt": 1, "$lt": 10}) == "1"
    assert found(n={"$gte": "2.5"}) == "12"
    assert found(n={"$lte": 2.5}, **{"a-b": {"$ne": "x"}}) == "1"
    assert found(n={"$eq": 10}) == "2"
    assert found(deep={"m": [1, {"k": "v"}]}) == "0"
    assert found(deep={"m": [1, {"k": {"$ne": "w"}}]}) == "0"
    assert found(deep={"m": [1]}) == ""
    assert found(none=1) == ""
    with pytest.raises(ValueError, match="operator"):
        found(n={"$in": [1]})


def test_pages_through_a_search(store: Any) -> None:
    store.batch([PutOp(("p",), str(n + 10), {"even": n % 2 == 0}) for n in range(25)])
    assert keys(store.search(("p",))) == [f"p/{n + 10}" for n in range(10)]
    assert keys(store.search(("p",), limit=3, offset=23)) == ["p/33", "p/34"]
    assert keys(store.search(("p",), limit=2, offset=1, filter={"even": True})) == ["p/12", "p/14"]
    assert store.search(("p",), limit=0) == []
    assert store.search(("p",), offset=25) == []
    assert keys(store.search(("p",), query="no semantic search", limit=1)) == ["p/10"]


def test_lists_namespaces(store: Any) -> None:
    for path in ["a/b/c", "a/b/d/e", "a/b/d/i", "a/b/f", "a/c/f", "b/a/f", "users/123"]:
        store.put(tuple(path.split("/")), "k", {"path": path})

    def listed(**options: Any) -> list[str]:
        return ["/".join(each) for each in store.list_namespaces(**options)]

    assert listed() == ["a/b/c", "a/b/d/e", "a/b/d/i", "a/b/f", "a/c/f", "b/a/f", "users/123"]
    assert listed(prefix=("a", "b")) == ["a/b/c", "a/b/d/e", "a/b/d/i", "a/b/f"]
    assert listed(suffix=("f",)) == ["a/b/f", "a/c/f", "b/a/f"]
    assert listed(prefix=("a",), suffix=("f",)) == ["a/b/f", "a/c/f"]
    assert listed(prefix=("a", "*", "f")) == ["a/b/f", "a/c/f"]
    assert listed(prefix=("*", "a")) == ["b/a/f"]
    assert listed(prefix=("a", "b"), max_depth=3) == ["a/b/c", "a/b/d", "a/b/f"]
    assert listed(max_depth=1, limit=1, offset=1) == ["b"]
    store.delete(("users", "123"), "k")
    assert listed(prefix=("users",)) == []


def test_refuses_what_cannot_be_stored(store: Any) -> None:
    for namespace in [(), ("a.b",), ("",), ("langgraph",)]:
        with pytest.raises(InvalidNamespaceError):
            store.put(namespace, "k", {})
    with pytest.raises(InvalidNamespaceError):
        store.batch([PutOp((), "k", {})])
    with pytest.raises(InvalidRequestError):
        store.put(("a",), "k" * 600, {})
    with pytest.raises(InvalidRequestError):
        store.put(("a",), "k", [])
    with pytest.raises(InvalidRequestError):
        store.update(("a",), "k", lambda _: "text")
    assert store.list_namespaces() == []


def test_a_batch_with_a_schema_violation_changes_nothing(store: Any, prefix: str, each_url: str) -> None:
    with MemX("local_dev_key", each_url) as memx:
        memx.set_schema(f"{prefix}s/50", {"type": "object", "properties": {"n": {"type": "number"}}})
    puts = [PutOp(("s",), str(n), {"n": "fifty" if n == 50 else n}) for n in range(100)]
    with pytest.raises(SchemaViolationError):
        store.batch(puts)
    assert store.search(("s",), limit=100) == []
    puts[50] = PutOp(("s",), "50", {"n": 50})
    store.batch(puts)
    assert len(store.search(("s",), limit=1_000)) == 100


def test_batches_of_any_size(store: Any) -> None:
    text = "x" * 200_000
    store.batch([PutOp(("big",), str(n), {"n": n, "text": text}) for n in range(20)])
    store.batch([PutOp(("many",), str(n), {"n": n}) for n in range(230)])
    read = store.batch([GetOp(("big",), str(n)) for n in range(20)])
    assert [item.value for item in read] == [{"n": n, "text": text} for n in range(20)]
    assert len(store.search(("many",), limit=1_000)) == 230
    assert len(store.search(("big",), limit=1_000)) == 20


def test_items_expire(new_store: Callable[..., Any], prefix: str, each_url: str) -> None:
    plain = new_store(prefix)
    expiring = new_store(prefix, ttl={"default_ttl": 1})
    expiring.put(("t",), "default", {"n": 1})
    expiring.put(("t",), "own", {"n": 1}, ttl=10)
    expiring.update(("t",), "updated", lambda _: {"n": 1})
    plain.put(("t",), "none", {"n": 1})
    with MemX("local_dev_key", each_url) as memx:

        def look(key: str) -> tuple[float | None, int]:
            entry = memx.get(f"{prefix}t/{key}")
            assert entry is not None
            return None if entry.expires is None else round(entry.expires - entry.ts), entry.revision

        assert [look(key)[0] for key in ("default", "own", "updated", "none")] == [60, 600, 60, None]
        before = look("none"), look("own")
        expiring.get(("t",), "own")
        expiring.search(("t",))
        assert (look("none"), look("own")) == before
        refreshing = new_store(prefix, ttl={"refresh_on_read": True})
        refreshing.get(("t",), "own")
        read = look("own")
        refreshing.search(("t",))
        after = look("own")
        assert look("none") == before[0]
        assert [each[0] for each in (read, after)] == [600, 600]
        assert before[1][1] < read[1] < after[1]
        expiring.get(("t",), "own", refresh_ttl=True)
        assert look("own")[1] > after[1]


def test_passes_over_what_is_no_item(store: Any, prefix: str, each_url: str) -> None:
    store.put(("team", "a/b"), "x:1", {"n": 1})
    with MemX("local_dev_key", each_url) as memx:
        entry = memx.get(f"{prefix}team/a%2Fb/x:1")
        assert entry is not None
        assert entry.value == {"n": 1}
        memx.set(f"{prefix}team/mcp", {"n": 2})
        for name in ("team/100%", "team//x", "root", "team/%FF"):
            memx.set(prefix + name, {"n": 3})
        memx.set(f"{prefix}team/text", "no object")
    assert keys(store.search(())) == ["team/a/b/x:1", "team/mcp"]
    assert store.get(("team",), "text") is None
    assert store.list_namespaces() == [("team",), ("team", "a/b")]
    assert store.update(("team",), "text", lambda value: {"was": value}).value == {"was": None}


def test_watches_and_leases(each_url: str, prefix: str) -> None:
    with MemX("local_dev_key", each_url) as memx:
        store = MemxStore(memx, prefix)
        store.put(("w", "a"), "1", {"n": 1})
        store.put(("wa",), "1", {"n": 1})
        seen: list[Any] = []
        with store.watch(("w",), snapshot=True) as changes, store.lease(("w",), "1", ttl=30) as lease:
            assert lease.key == f"{prefix}w/1/%lease"
            with pytest.raises(ConflictError):
                store.lease(("w",), "1", ttl=30)
            store.put(("w",), "1", {"n": 2})
            store.delete(("w", "a"), "1")
            store.put(("w",), "end", {})
            for change in changes:
                seen.append((change.action, change.namespace, change.key, change.item and change.item.value))
                if change.key == "end":
                    break
            assert keys(store.search(("w",))) == ["w/1", "w/end"]
            assert store.list_namespaces(prefix=("w",)) == [("w",)]
        assert seen == [
            ("set", ("w", "a"), "1", {"n": 1}),
            ("set", ("w",), "1", {"n": 2}),
            ("delete", ("w", "a"), "1", None),
            ("set", ("w",), "end", {}),
        ]


async def test_watches_and_leases_in_asyncio(each_url: str, prefix: str) -> None:
    async with AsyncMemX("local_dev_key", each_url) as memx:
        store = AsyncMemxStore(memx, prefix)
        with pytest.raises(TypeError, match="asyncio"):
            store.get(("w",), "1")
        async with store.awatch(("w",)) as changes, store.alease(("w",), "1", ttl=30):
            await store.aput(("w",), "1", {"n": 2})
            async for change in changes:
                assert (change.key, change.item and change.item.value) == ("1", {"n": 2})
                break


class State(TypedDict):
    done: Annotated[int, add]


@pytest.mark.parametrize("way", ["update", "put"])
def test_two_parallel_nodes_of_a_graph(way: str, each_url: str, prefix: str) -> None:
    with MemX("local_dev_key", each_url) as memx:
        store = MemxStore(memx, prefix)

        def count(_: State, *, store: BaseStore) -> dict[str, int]:
            assert isinstance(store, MemxStore)
            for _n in range(100):
                if way == "update":
                    store.update(("graph",), "count", lambda value: {"n": value["n"] + 1 if value else 1})
                else:
                    item = store.get(("graph",), "count")
                    store.put(("graph",), "count", {"n": item.value["n"] + 1 if item else 1})
            return {"done": 100}

        graph: Any = StateGraph(State)
        for name in ("left", "right"):
            graph.add_node(name, count)
            graph.add_edge(START, name)
            graph.add_edge(name, END)
        assert graph.compile(store=store).invoke({"done": 0}) == {"done": 200}
        item = store.get(("graph",), "count")
        assert item is not None
        print(f"with {way}: {item.value['n']} of 200")
        assert (item.value["n"] == 200) is (way == "update")


def test_shares_items_with_typescript(url: str) -> None:
    subprocess.run([NODE, "scripts/frameworks.ts"], cwd=ROOT, check=True, capture_output=True)
    places = [(("interop", *namespace), key) for namespace in ODD for key in ("", "k/1", "a:b", "..", "%")]
    with MemX("local_dev_key", url) as memx:
        store = MemxStore(memx)
        store.batch([PutOp(namespace, f"py{key}", {"n": n}) for n, (namespace, key) in enumerate(places)])
        orders = {
            "write": [(namespace, f"ts{key}", {"n": n}) for n, (namespace, key) in enumerate(places)],
            "read": [(namespace, f"py{key}") for namespace, key in places],
        }
        program = str(ROOT / "test/adapters/support/langgraph-items.ts")
        done = subprocess.run([NODE, program, url, json.dumps(orders)], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == [{"n": n} for n in range(len(places))]
        read = store.batch([GetOp(namespace, f"ts{key}") for namespace, key in places])
        assert [item.value if isinstance(item, Item) else None for item in read] == [
            {"n": n} for n in range(len(places))
        ]
        assert len(store.search(("interop",), limit=1_000)) == 2 * len(places)


LABELS = ["a", "ab", "A", "a b", "ü", "😀", "100%", "a/b", "[*]", "a:b", "tab\there", "%2F"]
KEYS = ["", "k", "K", "k/1", "k%2F1", "..", "ключ", "\u0085", "a:b", "😀", "\uffff"]
SCALARS: list[Any] = [0, 1, 2.5, -3, "1", "x", "", True, False, None]


def random_namespace(rng: random.Random, shortest: int) -> tuple[str, ...]:
    labels = LABELS[:3] if rng.random() < 0.8 else LABELS
    return tuple(rng.choice(labels) for _ in range(rng.randint(shortest, 3)))


def random_value(rng: random.Random) -> dict[str, Any]:
    value: dict[str, Any] = {"n": rng.choice([0, 1, 2.5, -3, "1", True])}
    if rng.random() < 0.7:
        value["the-name"] = rng.choice(SCALARS)
    if rng.random() < 0.5:
        value["deep"] = {"list": [rng.choice(SCALARS), {"x": rng.choice(SCALARS)}]}
    return value


def random_filter(rng: random.Random) -> dict[str, Any]:
    return rng.choice(
        [
            {"n": {rng.choice(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]): rng.choice([0, 1, "1", 2.5])}},
            {"n": {"$gte": 0, "$lt": rng.randint(1, 3)}},
            {"the-name": rng.choice(SCALARS)},
            {"the-name": {rng.choice(["$eq", "$ne"]): rng.choice(SCALARS)}},
            {"deep": {"list": [rng.choice(SCALARS), {"x": rng.choice(SCALARS)}]}},
            {"deep": {"list": [rng.choice(SCALARS)]}},
            {"deep": {}},
            {"deep": {"list": {"$ne": None}}},
        ]
    )


def random_op(rng: random.Random) -> Op:
    namespace, key, kind = random_namespace(rng, 1), rng.choice(KEYS), rng.random()
    if kind < 0.5:
        return PutOp(namespace, key, None if rng.random() < 0.25 else random_value(rng))
    if kind < 0.7:
        return GetOp(namespace, key)
    limit, offset = rng.choice([10, rng.randint(1, 8)]), rng.choice([0, rng.randint(0, 4)])
    if kind < 0.9:
        return SearchOp(
            random_namespace(rng, 0), random_filter(rng) if rng.random() < 0.6 else None, limit=limit, offset=offset
        )
    conditions = tuple(
        MatchCondition(kind, tuple("*" if rng.random() < 0.3 else label for label in random_namespace(rng, 1)))
        for kind in ("prefix", "suffix")
        if rng.random() < 0.5
    )
    return ListNamespacesOp(conditions, rng.choice([None, 1, 2]), limit=limit, offset=offset)


def plain(result: Any) -> Any:
    if isinstance(result, Item):
        return result.namespace, result.key, result.value
    return [plain(each) for each in result] if isinstance(result, list) else result


def expected(theirs: InMemoryStore, ours: MemxStore, ops: list[Op]) -> list[Any]:
    """What InMemoryStore does. It keeps the order of creation, and lists namespaces without items."""
    results: list[Any] = []
    for op in ops:
        for namespace in [each for each, items in theirs._data.items() if not items]:
            del theirs._data[namespace]
        if isinstance(op, PutOp):
            results.append(None)
        elif isinstance(op, SearchOp):
            found: Any = theirs.batch([op._replace(limit=10**9, offset=0)])[0]
            found.sort(key=lambda item: ours._name(item.namespace, item.key).encode())
            results.append(plain(found[op.offset : op.offset + op.limit]))
        else:
            results.append(plain(theirs.batch([op])[0]))
    theirs.batch([op for op in ops if isinstance(op, PutOp)])
    return results


@pytest.mark.parametrize("count", [100, pytest.param(of_long_run(2_000), marks=pytest.mark.long)])
def test_does_what_langgraphs_own_store_does(count: int, each_url: str, prefix: str) -> None:
    def run(seed: int) -> int:
        rng = random.Random(seed)
        theirs, ours = InMemoryStore(), MemxStore(memx, f"{prefix}{seed}/")
        done = 0
        while done < count:
            ops = [random_op(rng) for _ in range(rng.randint(1, 12))]
            assert [plain(each) for each in ours.batch(ops)] == expected(theirs, ours, ops), f"seed {seed}, {done}"
            done += len(ops)
        return done

    with MemX("local_dev_key", each_url, retries=10, timeout=60) as memx, ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(run, range(20))) >= 20 * count
