// The filters of a channel's subscribers: equal ones are one, which compiles once and decides once for each change.

import { expect, it } from "vitest";
import { ChangeFilters, type Subject } from "../../durable-objects/channel/change-filter.ts";
import type { Join } from "../../memory/channels/join.ts";

const join = (patterns: readonly string[], others: Partial<Join> = {}): Join => ({
  namespace: "",
  key: "",
  keyHash: crypto.randomUUID(),
  event: "value",
  patterns,
  scopes: ["*"],
  maxUnreadChars: 1,
  control: true,
  ...others,
});

/** A change that counts how often a filter looks at its key. */
function lookedAt(key: string): Subject & { looks: number } {
  return {
    looks: 0,
    event: "value",
    get key() {
      this.looks++;
      return key;
    },
  };
}

it("decides once for a change, however many subscribers have an equal filter", () => {
  const filters = new ChangeFilters();
  const hostile = Array.from({ length: 64 }, (_, n) => `*a*?[!b]*${n}`);
  const change = lookedAt("a".repeat(512));
  let looks = 0;
  for (let n = 0; n < 1_000; n++) {
    expect(filters.of(join(hostile)).wants(change)).toBe(false);
    looks ||= change.looks;
  }
  expect(looks).toBe(64);
  expect(change.looks).toBe(looks);
});

it("keeps filters apart that differ in anything that they look at", () => {
  const filters = new ChangeFilters();
  const all = [
    join(["a*"]),
    join(["a*", "b*"]),
    join(["a*"], { event: "all" }),
    join(["a*"], { scopes: ["b*"] }),
    join(["a*"], { scopes: ["a*", "b*"] }),
  ].map((each) => filters.of(each));
  expect(new Set(all).size).toBe(all.length);
  expect(filters.of(join(["a*"]))).toBe(all[0]);
  const change = lookedAt("ab");
  for (let n = 0; n < 2; n++)
    expect(all.map((filter) => filter.wants(change))).toEqual([true, true, true, false, true]);
});
