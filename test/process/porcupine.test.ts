// Porcupine judges the histories of kills.test.ts. These are histories that it must refuse, each beside the same one
// without the fault, so that a verdict of "Ok" means something.

import { expect, it } from "vitest";
import { judge, type Operation } from "./support/history.ts";

type Part = Partial<Operation> & { readonly op: Operation["op"]; readonly outcome: Operation["outcome"] };

/** Operations one after the other, unless they give their own times. */
const historyOf = (...parts: readonly Part[]) =>
  parts.map((part, n): Operation => {
    const { outcome } = part;
    const times = { call: n * 10, ...(outcome !== "unknown" && { return: n * 10 + 5 }) };
    return { client: n % 3, key: "k", ...times, ...part };
  });

const set = (value: string, revision: number, more: Partial<Operation> = {}): Part => ({
  ...{ op: "set", value, revision, outcome: "applied" },
  ...more,
});
const unknown = (value: string, more: Partial<Operation> = {}): Part => ({
  ...{ op: "set", value, outcome: "unknown" },
  ...more,
});
const remove = (revision: number, more: Partial<Operation> = {}): Part => ({
  ...{ op: "delete", revision, outcome: "applied" },
  ...more,
});
const get = (value?: string, revision = 0, more: Partial<Operation> = {}): Part => ({
  ...{ op: "get", outcome: "read" },
  ...(value !== undefined && { current: { value, revision } }),
  ...more,
});
const version = (value: string, revision: number) => ({ value, revision });
const absent = version("", 0);

it.each<[string, Operation[], Operation[]]>([
  [
    "a read of an older value",
    historyOf(set("a", 1), set("b", 2), get("b", 2)),
    historyOf(set("a", 1), set("b", 2), get("a", 1)),
  ],
  ["a lost write", historyOf(set("a", 1), get("a", 1)), historyOf(set("a", 1), get())],
  [
    "a write that is lost after it was read",
    historyOf(set("a", 1), unknown("b"), get("b", 2), get("b", 2)),
    historyOf(set("a", 1), unknown("b"), get("b", 2), get("a", 1)),
  ],
  [
    "a value that no client wrote",
    historyOf(set("a", 1), unknown("b"), get("b", 2)),
    historyOf(set("a", 1), unknown("b"), get("c", 2)),
  ],
  [
    "a write from before its call",
    historyOf(set("a", 1), unknown("b"), get("b", 2)),
    historyOf(set("a", 1), get("b", 2), unknown("b")),
  ],
  [
    "two writes that both met a condition that only one can meet",
    historyOf(
      set("a", 1),
      set("b", 2, { expect: version("a", 1) }),
      set("c", 0, { expect: version("a", 1), outcome: "conflict", current: version("b", 2) }),
    ),
    historyOf(set("a", 1), set("b", 2, { expect: version("a", 1) }), set("c", 3, { expect: version("a", 1) })),
  ],
  [
    "a conflict that was none",
    historyOf(set("a", 1), set("b", 0, { expect: absent, outcome: "conflict", current: version("a", 1) })),
    historyOf(set("a", 1), set("b", 0, { expect: version("a", 1), outcome: "conflict", current: version("a", 1) })),
  ],
  [
    "a revision that is given twice",
    historyOf(set("a", 1), unknown("b"), set("c", 3)),
    historyOf(set("a", 1), unknown("b"), set("c", 1)),
  ],
  [
    "a value under another revision than the one that its writer got",
    historyOf(set("a", 2), get("a", 2)),
    historyOf(set("a", 2), get("a", 3)),
  ],
  [
    "a delete that did nothing",
    historyOf(set("a", 1), remove(2), get(), set("b", 3, { expect: absent })),
    historyOf(set("a", 1), remove(2), get("a", 1)),
  ],
  [
    "a delete of nothing that deleted",
    historyOf(remove(0, { outcome: "nothing" }), set("a", 1), remove(2)),
    historyOf(remove(0, { outcome: "nothing" }), set("a", 1), remove(0, { outcome: "nothing" })),
  ],
])("refuses %s", { tags: ["long"] }, (_, good, bad) => {
  expect(judge(good)).toMatchObject({ isLinearizable: true });
  expect(judge(bad)).toMatchObject({ isLinearizable: false });
});
