"""The research team of examples/research-team, in Python: four agents answer a question on one memory.

    python examples/research_team.py                        all four agents, as threads
    python examples/research_team.py explorer monitor       these agents, beside others in TypeScript or elsewhere

The agents share only the keys and values that examples/research-team/README.md describes, so agents of both languages
work on one question. MEMX_API_KEY must be allowed to read and write memx:*, as the development key agent_key_1 is.
"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from memx_sdk import Entry, MemX, MemxError

CORPUS = Path(__file__).parent / "research-team/corpus"
KEYS = [
    "memx:query",
    "memx:context",
    "memx:search_results:0",
    "memx:thoughts:0",
    "memx:summary",
    "memx:thoughts:1",
]
QUESTION = "How can hospitals adopt open-source language models for clinical work?"

# An agent has nothing else to do while memX is unavailable, so it retries often.
memx = MemX(os.environ.get("MEMX_API_KEY", "agent_key_1"), retries=30, agent="research-team-python")


class Board:
    """The newest entry of every key. A value that belongs to another question than the current one reads as absent."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._entries: dict[str, Entry[Any] | None] = {}

    def get(self, key: str) -> Any:
        value, query = self._read(key), self._read("memx:query")
        return value if value is not None and query is not None and value["run"] == query["run"] else None

    def set(self, key: str, value: Any) -> None:
        """Writes to memX and to this board, so that the agent sees its own write at once."""
        written = memx.set(key, value)
        self.note(key, Entry(value, ts=written.ts, revision=written.revision))

    def note(self, key: str, entry: Entry[Any] | None) -> None:
        known = self._entries.get(key)
        if known is None or (entry is not None and entry.revision > known.revision):
            self._entries[key] = entry

    @property
    def is_answered(self) -> bool:
        summary = self.get("memx:summary")
        return summary is not None and summary["final"]

    def _read(self, key: str) -> Any:
        entry = self._entries.get(key)
        # Entries up to this revision belong to earlier questions.
        return entry.value if entry is not None and entry.revision > self._after else None


def attend(after: int, look: Callable[[Board], None]) -> Board:
    """Looks at the board at the start and after every change, until the question has its answer."""
    board = Board(after)
    # First live, then read: a change in between arrives twice rather than never.
    with memx.subscribe(KEYS) as changes:
        for key, entry in zip(KEYS, memx.get_many(KEYS).entries, strict=True):
            board.note(key, entry)
        look(board)
        while not board.is_answered:
            event = changes.receive()
            entry = Entry(event.value, ts=event.ts, revision=event.revision) if event.action == "set" else None
            board.note(event.key, entry)
            look(board)
    return board


# The agents.


def query(after: int) -> None:
    """Writes a question and its context, and prints the answer once it is there."""
    run = uuid.uuid4().hex[:8]
    asked = False

    def look(board: Board) -> None:
        nonlocal asked
        if asked:
            return
        asked = True
        say("query", f"asks: {QUESTION}")
        concerns = ["privacy of patient data", "cost of hardware", "validation before deployment", "license terms"]
        background = "A regional hospital group considers running language models on its own machines."
        board.set("memx:context", {"background": background, "concerns": concerns, "run": run})
        asked_at = datetime.now(timezone.utc).isoformat()
        board.set("memx:query", {"question": QUESTION, "asked_at": asked_at, "run": run})

    summary = attend(after, look).get("memx:summary")
    say("query", f"has its answer, from {', '.join(summary['sources'])}:\n{summary['text']}")


def explorer(after: int) -> None:
    """Searches the corpus for the question, and after the first summary for what that leaves open."""
    corpus = read_corpus()

    def look(board: Board) -> None:
        asked, context = board.get("memx:query"), board.get("memx:context")
        if not asked or not context:
            return
        run = asked["run"]
        results = board.get("memx:search_results:0")
        if not results:
            hits = search(asked["question"], corpus, 8)
            results = {"hits": hits, "sentences_searched": len(corpus), "run": run}
            board.set("memx:search_results:0", results)
            say("explorer", f"found {len(hits)} of {len(corpus)} sentences for the question")
        if not board.get("memx:thoughts:0"):
            thought = (
                f"Most of all {results['hits'][0]['source']} is about the question." if results["hits"] else "None."
            )
            board.set("memx:thoughts:0", {"thought": thought, "run": run})
        summary = board.get("memx:summary")
        if summary and not board.get("memx:thoughts:1"):
            # A concern is open while the summary has less than half of its terms.
            gaps = [concern for concern in context["concerns"] if overlap(concern, summary["text"]) < 0.5]
            thought = f"The summary says too little about: {'; '.join(gaps)}." if gaps else "It covers every concern."
            hits = [hit for gap in gaps for hit in search(gap, corpus, 1)]
            board.set("memx:thoughts:1", {"thought": thought, "hits": hits, "run": run})
            say("explorer", f"followed up: {thought}")

    attend(after, look)


def synthesizer(after: int) -> None:
    """Makes a summary of the best sentences, and a final one with the explorer's follow-up."""

    def look(board: Board) -> None:
        results = board.get("memx:search_results:0")
        if not results or not board.get("memx:thoughts:0"):
            return
        best = pick(results["hits"], 4)
        if not board.get("memx:summary"):
            board.set("memx:summary", {**summarize(best), "final": False, "run": results["run"]})
            say("synthesizer", f"wrote a first summary of {len(best)} sentences")
        follow_up = board.get("memx:thoughts:1")
        if follow_up and not board.is_answered:
            everything = pick([*best, *follow_up["hits"]], len(best) + len(follow_up["hits"]))
            board.set("memx:summary", {**summarize(everything), "final": True, "run": results["run"]})
            say("synthesizer", f"wrote the final summary of {len(everything)} sentences")

    attend(after, look)


def monitor(after: int) -> None:
    """Prints every change. It writes nothing, and no agent waits for it."""
    board = Board(after)
    with memx.subscribe(KEYS, since=after or None, snapshot=not after) as changes:
        for event in changes:
            if event.action != "set" or event.revision <= after:
                continue
            board.note(event.key, Entry(event.value, ts=event.ts, revision=event.revision))
            say("monitor", f"{event.key:21}  r{event.revision}  {str(event.value)[:100]}")
            if board.is_answered:
                return


# A small search: it ranks every sentence by its TF-IDF cosine similarity with the query.

STOP_WORDS = set(
    "a about after all also an and any are as at be because been before between both but by can could do does each "
    "even for from had has have how if in into is it its itself many may more most much must no nor not of often on "
    "one only or other our out over own rather same should so some still such than that the their them then there "
    "these they this those to too under up us use used uses using very was we were what when where which while who "
    "why will with within without would you".split()
)


def read_corpus() -> list[dict[str, str]]:
    sentences: list[dict[str, str]] = []
    for file in sorted(CORPUS.glob("*.txt")):
        body = " ".join(file.read_text().split("\n", 1)[1].split())  # Without its title.
        sentences += [{"text": text, "source": file.stem} for text in re.split(r"(?<=[.!?]) (?=[A-Z])", body)]
    return sentences


def search(question: str, corpus: list[dict[str, str]], limit: int) -> list[dict[str, Any]]:
    documents = [terms(sentence["text"]) for sentence in corpus]
    spread = Counter(term for document in documents for term in set(document))

    def weigh(document: list[str]) -> dict[str, float]:
        rarity = {term: math.log(1 + len(corpus) / spread.get(term, len(corpus))) for term in document}
        return {term: count * rarity[term] for term, count in Counter(document).items()}

    wanted = weigh(terms(question))
    hits: list[dict[str, Any]] = [
        {**sentence, "score": round(cosine(wanted, weigh(document)), 3)}
        for sentence, document in zip(corpus, documents, strict=True)
    ]
    return sorted((hit for hit in hits if hit["score"] > 0), key=lambda hit: -hit["score"])[:limit]


def cosine(a: dict[str, float], b: dict[str, float]) -> float:
    product = sum(weight * b.get(term, 0) for term, weight in a.items())
    return product / (math.hypot(*a.values()) * math.hypot(*b.values())) if product else 0


def terms(text: str) -> list[str]:
    """Returns the words that carry meaning, without the most common English endings."""
    words = [word for word in re.findall("[a-z][a-z0-9]+", text.lower()) if word not in STOP_WORDS]
    return [re.sub("(?<=...)(ies|y|ing|ed|es|s|e)$", "", word) for word in words]


def overlap(a: str, b: str) -> float:
    left, right = set(terms(a)), set(terms(b))
    return len(left & right) / max(1, min(len(left), len(right)))


def pick(hits: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Returns the first sentences that do not repeat an earlier one."""
    picked: list[dict[str, Any]] = []
    for hit in hits:
        if len(picked) < limit and all(overlap(hit["text"], other["text"]) < 0.5 for other in picked):
            picked.append(hit)
    return picked


def summarize(hits: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "text": " ".join(hit["text"] for hit in hits),
        "sources": list(dict.fromkeys(hit["source"] for hit in hits)),
    }


def say(agent: str, text: str) -> None:
    print(*(f"{agent:11} | {line}" for line in text.splitlines()), sep="\n", flush=True)


def starting_revision() -> int:
    """Returns the revision up to which entries belong to earlier questions. A question without an answer waits."""
    if "MEMX_AFTER" in os.environ:
        return int(os.environ["MEMX_AFTER"])
    board = Board(0)
    summary, asked = memx.get_many(["memx:summary", "memx:query"]).entries
    board.note("memx:summary", summary)
    board.note("memx:query", asked)
    return summary.revision if summary is not None and board.is_answered else 0


AGENTS = {"query": query, "explorer": explorer, "synthesizer": synthesizer, "monitor": monitor}


def main() -> None:
    names = sys.argv[1:] or list(AGENTS)
    if unknown := [name for name in names if name not in AGENTS]:
        sys.exit(f"There is no agent {unknown[0]}. The agents are {', '.join(AGENTS)}.")
    try:
        MemX(retries=1).health()
    except MemxError:
        sys.exit("memX does not respond. Start it with `make dev`, or set MEMX_BASE_URL to its address.")
    after = starting_revision()
    threads = [threading.Thread(target=AGENTS[name], args=[after]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    memx.close()


if __name__ == "__main__":
    main()
