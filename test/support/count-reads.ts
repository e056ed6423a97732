// Counts the characters that the store of this project hands out, whoever asks, so that a test can tell what a call reads.

import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { EmbeddedStore } from "../../durable-objects/embedded-store/embedded-store.ts";
import { engine } from "./engine.ts";

/** Begins to count. Restore the mocks after the test. */
export function countReads(): { chars: number; calls: string[] } {
  const counted = { chars: 0, calls: [] as string[] };
  if (engine === "redis") {
    const { fetch } = globalThis;
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const response = await fetch(input, init);
      if (!String(input).startsWith(env.UPSTASH_REDIS_REST_URL as string)) return response;
      const text = await response.text();
      counted.calls.push(JSON.parse(init?.body as string)[0]);
      counted.chars += text.length;
      return new Response(text, response);
    });
    return counted;
  }
  const reads = Object.getOwnPropertyNames(EmbeddedStore.prototype).filter((name) => /^(read|scan)/.test(name));
  for (const method of reads as ("readEntry" | "readLog")[]) {
    const original = EmbeddedStore.prototype[method] as (...args: unknown[]) => Promise<never>;
    vi.spyOn(EmbeddedStore.prototype, method).mockImplementation(async function (this: unknown, ...args: unknown[]) {
      const result = await original.apply(this, args);
      counted.calls.push(method);
      counted.chars += JSON.stringify(result).length;
      return result;
    });
  }
  return counted;
}
