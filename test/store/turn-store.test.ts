// Which calls of one caller go to the store together.

import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { openStore } from "../../memory/store/open-store.ts";
import type { Store } from "../../memory/store/store.ts";
import { turnStore } from "../../memory/store/turn-store.ts";

/** A turn store, and the names of the calls that it made. */
function counted() {
  const calls: string[] = [];
  const store = Object.entries(openStore(env)).map(([name, member]) => {
    if (typeof member !== "function") return [name, member];
    return [
      name,
      (...args: never[]) => {
        calls.push(name);
        return (member as (...args: never[]) => unknown)(...args);
      },
    ];
  });
  return { store: turnStore(Object.fromEntries(store) as Store), calls, namespace: crypto.randomUUID() };
}

const set = (key: string) => [{ op: "set", key, value: "1", schemaRevision: 0 }] as const;

it("makes a call that is alone as HTTP does", async () => {
  const { store, calls, namespace } = counted();
  expect(await store.write(namespace, set("a"))).toMatchObject({ outcome: "applied" });
  expect(await store.readEntry(namespace, "a")).toMatchObject({ text: expect.stringContaining('"value":1') });
  expect(calls).toEqual(["write", "readEntry"]);
});

it("makes calls that come together with one", async () => {
  const { store, calls, namespace } = counted();
  const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
  // As the calls of a message do, they come a few steps apart.
  const outcomes = keys.map(async (key, n) => {
    for (let hop = 0; hop < n; hop++) await null;
    return n % 2 > 0 ? store.readEntry(namespace, key) : store.write(namespace, set(key));
  });
  expect(await Promise.all(outcomes)).toHaveLength(20);
  expect(calls).toEqual(["many"]);
});

it("makes calls that come while one is under way with one", async () => {
  const { store, calls, namespace } = counted();
  const first = store.write(namespace, set("first"));
  for (let hop = 0; hop < 100 && calls.length === 0; hop++) await null;
  expect(calls).toEqual(["write"]);
  const others = Array.from({ length: 20 }, async (_, n) => {
    for (let hop = 0; hop < 10 * n; hop++) await null;
    return store.readEntry(namespace, "first");
  });
  await Promise.all([first, ...others]);
  expect(calls).toEqual(["write", "many"]);
});
