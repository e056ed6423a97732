// The tree of keys, its filter, and the numbers beside it.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAge, formatBytes, formatDuration, glance } from "../../dashboard/src/json/describe.ts";
import { compileFilter, matchesAny } from "../../dashboard/src/keys/filter.ts";
import {
  type Child,
  compareLabels,
  type Folder,
  newLeaf,
  positionOf,
  splitKey,
  Tree,
} from "../../dashboard/src/keys/tree.ts";
import { Activity, sparkline } from "../../dashboard/src/live/activity.ts";
import { toLanes } from "../../dashboard/src/live/lanes.ts";
import { Ring, type Seen } from "../../dashboard/src/live/ring.ts";

const all = () => true;
const show = (rows: readonly Child[]) =>
  rows.map((row) => `${"  ".repeat(row.level - 1)}${row.label}${row.kind === "folder" ? ` (${row.count})` : ""}`);

function treeOf(keys: readonly string[]): Tree {
  const tree = new Tree();
  for (const key of keys) tree.add(newLeaf(key, 1, 1));
  return tree;
}

describe("the tree", () => {
  it("splits keys at : and /, counts them, and orders numbers as people do", () => {
    expect(show(treeOf(["task:10", "task:2", "task:2:lease", "agent/a:goal", "task:", "task"]).rows(all))).toEqual([
      "agent/ (1)",
      "  a: (1)",
      "    goal",
      "task",
      "task: (3)",
      "  2",
      "  2: (1)",
      "    lease",
      "  10",
      "task:",
    ]);
  });

  it("loses no character of any key", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a:/ ]{1,12}$/), (key) => {
        expect(splitKey(key).join("")).toBe(key);
        expect(splitKey(key)).not.toContain("");
      }),
    );
  });

  it("is the same however keys come and go", () => {
    const keys = fc.uniqueArray(fc.stringMatching(/^[a1:/2]{1,6}$/), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(keys, fc.infiniteStream(fc.boolean()), (names, stays) => {
        const tree = new Tree();
        const leaves = names.map((key) => newLeaf(key, 1, 1));
        for (const leaf of leaves) tree.add(leaf);
        const left = leaves.filter((leaf) => {
          const { value } = stays.next();
          if (!value) tree.remove(leaf);
          return value;
        });
        expect(show(tree.rows(all))).toEqual(show(treeOf(left.map(({ key }) => key).sort()).rows(all)));
        expect(tree.root.count).toBe(left.length);
        for (const row of tree.rows(all)) expect(row.parent?.children[positionOf(row) - 1]).toBe(row);
      }),
    );
  });

  it("shows only what is in open folders", () => {
    const isOpen = ({ prefix }: Folder) => prefix === "a:";
    expect(show(treeOf(["a:b:c", "a:d", "e:f"]).rows(isOpen))).toEqual(["a: (2)", "  b: (1)", "  d", "e: (1)"]);
  });

  it("has an order of labels that is one", () => {
    const label = fc.stringMatching(/^[a-b0-2]{0,5}$/);
    fc.assert(
      fc.property(fc.uniqueArray(label, { maxLength: 12 }), (labels) => {
        const sorted = labels.toSorted(compareLabels);
        for (const [index, each] of sorted.entries())
          for (const later of sorted.slice(index + 1)) expect(compareLabels(each, later), `${each} ${later}`).toBe(-1);
      }),
    );
  });
});

describe("the filter", () => {
  it("finds text anywhere in a key, and matches globs as memX does", () => {
    expect(["task:1", "MyTask", "other"].filter(compileFilter("task"))).toEqual(["task:1", "MyTask"]);
    expect(["task:1", "a:task:1"].filter(compileFilter("task:*"))).toEqual(["task:1"]);
    expect(["task:1", "task:x"].filter(compileFilter("task:[!0-9]"))).toEqual(["task:x"]);
    expect(["a", "b"].filter(compileFilter("  "))).toEqual(["a", "b"]);
    expect(["a", "b:c"].filter(matchesAny(["b:*", "z"]))).toEqual(["b:c"]);
    expect(["a"].filter(matchesAny([]))).toEqual([]);
  });
});

it("says what a value is at a glance", () => {
  expect(glance('{"ä":1}')).toEqual({ type: "object", bytes: 8, preview: '{"ä":1}' });
  expect(["[]", '"x"', "-1", "true", "false", "null"].map((text) => glance(text).type)).toEqual([
    "array",
    "string",
    "number",
    "boolean",
    "boolean",
    "null",
  ]);
  expect([5, 999, 1_500, 204_800, 1_048_576].map(formatBytes)).toEqual(["5 B", "999 B", "1.5 kB", "205 kB", "1.0 MB"]);
  expect([0.2, 59, 61, 3_725, 90_000, -5].map(formatDuration)).toEqual([
    "1s",
    "59s",
    "1m 01s",
    "1h 02m",
    "1d 01h",
    "0s",
  ]);
  expect([0, 30, 90, 7_200].map(formatAge)).toEqual(["now", "30s ago", "1m ago", "2h ago"]);
});

describe("activity", () => {
  it("counts the changes of the last slots, and forgets older ones", () => {
    const activity = new Activity({ slots: 4, slotMs: 1_000 });
    activity.add(10_000, 2);
    activity.add(11_500);
    expect(activity.read(11_900)).toEqual([0, 0, 2, 1]);
    expect(activity.read(13_000)).toEqual([2, 1, 0, 0]);
    expect(activity.read(14_000)).toEqual([1, 0, 0, 0]);
    expect(activity.read(60_000)).toEqual([0, 0, 0, 0]);
    expect(activity.total).toBe(3);
  });

  it("has a rate of full seconds", () => {
    const activity = new Activity();
    for (let second = 0; second < 10; second++) activity.add(100_000 + second * 1_000, 200);
    expect(activity.rate(110_000)).toBe(200);
  });

  it("becomes a line that stays in its box", () => {
    expect(sparkline([0, 5, 10], 20, 12)).toBe("0.0,11.0 10.0,6.0 20.0,1.0");
    expect(sparkline([0, 0], 10, 10)).toBe("0.0,9.0 10.0,9.0");
  });
});

describe("what was seen", () => {
  const seen = (revision: number, rest: Partial<Seen> = {}): Seen => ({
    revision,
    key: `k${revision}`,
    event: "value",
    action: "set",
    ts: revision,
    by: "a",
    preview: "",
    bytes: 1,
    ...rest,
  });

  it("is the newest, in the order of revisions, also after a snapshot", () => {
    const ring = new Ring(3);
    ring.add([seen(5), seen(2)]);
    ring.add([seen(9), seen(7)]);
    expect(ring.items.map(({ revision }) => revision)).toEqual([5, 7, 9]);
  });

  it("has a lane for each writer, the busiest first", () => {
    const { from, to, lanes } = toLanes([
      seen(10),
      seen(12, { by: undefined }),
      seen(15, { by: undefined, action: "expire" }),
      seen(20),
    ]);
    expect([from, to]).toEqual([10, 20]);
    expect(lanes.map(({ name, count, marks }) => [name, count, marks.map(({ at }) => at)])).toEqual([
      ["a", 2, [0, 1]],
      ["unnamed", 1, [0.2]],
      ["expiry", 1, [0.5]],
    ]);
  });
});
