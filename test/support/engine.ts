// The store of the project that a test runs in, for tests that evict it or break it.

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { channelName } from "../../memory/channels/topic.ts";

export const engine = env.UPSTASH_REDIS_REST_URL ? "redis" : "embedded";

const storeObject = (namespace = "") => env.EMBEDDED_STORE.getByName(`namespace:${namespace}`);

export const channelOf = (key: string) => env.CHANNEL.getByName(channelName({ namespace: "", key }));

/** Clears the memory of the store. Redis has none in this process. */
export async function evictStore(namespace?: string): Promise<void> {
  if (engine === "embedded") await evictDurableObject(storeObject(namespace));
}

/**
 * Makes every call to the store fail with `message`, which no client must see. The returned function repairs the store.
 */
export async function breakStore(message: string, namespace?: string): Promise<() => Promise<void>> {
  if (engine === "redis") {
    const { fetch } = globalThis;
    const spy = vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      if (String(input).startsWith(env.UPSTASH_REDIS_REST_URL as string)) throw new TypeError(message);
      return fetch(input, init);
    });
    return async () => spy.mockRestore();
  }
  await storeObject(namespace).ping();
  await runInDurableObject(storeObject(namespace), (_, { storage }) => {
    storage.sql.exec = () => {
      throw new Error(message);
    };
  });
  return () => evictStore(namespace);
}
