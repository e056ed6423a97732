// A relay's upstream, which is its parent: one that does not respond holds nothing up for long.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Upstream } from "../../durable-objects/channel/upstream.ts";
import type { Store } from "../../memory/store/store.ts";

const TOPIC = { namespace: "", key: "a" };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it.each(["watch", "unwatch"] as const)("gives up a parent that does not respond to `%s`", async (method) => {
  const kept = new Map<string, unknown>();
  const kv = {
    get: (name: string) => kept.get(name),
    put: (name: string, value: unknown) => void kept.set(name, value),
  } as unknown as SyncKvStorage;
  const never = () => new Promise<never>(() => {});
  const upstream = new Upstream({
    kv,
    store: {} as Store,
    process: undefined,
    open: () => ({ relayWatch: never, relayUnwatch: never }),
  });
  upstream.begin(TOPIC, { region: "enam", index: 1 });
  const refused = expect(upstream[method](TOPIC)).rejects.toMatchObject({ code: "store_unavailable" });
  await vi.advanceTimersByTimeAsync(5_000);
  await refused;
});
