"""Two nodes of a LangGraph graph run at once and count in one item. `update` loses no count."""

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore

from memx_sdk import MemX
from memx_sdk.langgraph import MemxStore


class State(TypedDict):
    topic: str


def search(state: State, *, store: BaseStore) -> None:
    assert isinstance(store, MemxStore)
    for _ in range(10):
        store.update(("report",), "progress", lambda item: {"searches": item["searches"] + 1 if item else 1})


with MemX() as memx:
    store = MemxStore(memx)
    store.delete(("report",), "progress")
    graph: Any = StateGraph(State)
    for name in ("web", "library"):
        graph.add_node(name, search)
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    with store.watch(("report",)) as changes:
        graph.compile(store=store).invoke({"topic": "memory"})
        for change in changes:
            if change.item:
                print(f"{change.item.value['searches']} searches")
                if change.item.value["searches"] == 20:
                    break
