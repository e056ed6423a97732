// How often an API key may call: by the limiter that wrangler.toml binds, as it is simulated here, and by memX's own
// count where none is bound.

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { app } from "../../worker/app.ts";
import { freshKey, problem } from "../support/client.ts";
import { connect, type Fetch } from "../support/subscriber.ts";

afterEach(() => void vi.restoreAllMocks());

const keys = [freshKey(), freshKey()] as const;
/** Not in development, where nothing is counted. */
const production = { ...env, MEMX_ENV: "", MEMX_ACL: JSON.stringify({ [keys[0]]: ["*"], [keys[1]]: ["*"] }) };

const call = async (path: string, apiKey: string, bindings: Env = production, headers: HeadersInit = {}) =>
  app.fetch(
    new Request(`http://memx${path}`, {
      headers: { ...Object.fromEntries(new Headers(headers)), "x-api-key": apiKey },
    }),
    bindings,
    createExecutionContext(),
  );

/** The first that is not let through. A window of the limiter may end at any time, so not after a count. */
async function refused(path: string, apiKey: string): Promise<Response> {
  for (;;) {
    const response = await call(path, apiKey);
    if (response.status !== 200 && response.status !== 403) return response;
    await response.text();
  }
}

describe("an API key that calls too often", () => {
  it("is answered 429 with Retry-After, or 4429 on a WebSocket, whoever it is; others go on", async () => {
    const [busy, calm] = keys;
    const response = await refused("/get?key=a", busy);
    expect(response.headers.get("retry-after")).toBe("10");
    await problem(response, "rate_limited");
    // Once more, where a window has ended meanwhile.
    const fetch: Fetch = async (path, init) => {
      await refused("/get?key=a", busy);
      return call(path, busy, production, init?.headers);
    };
    expect((await (await connect("/subscribe/a", {}, fetch)).closed).code).toBe(4429);
    expect((await call("/get?key=a", calm)).status).toBe(200);
    await problem(await refused("/get?key=a", freshKey()), "rate_limited");
  });

  it("is let through in development, or when the limiter fails", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const limit = vi.fn(async () => ({ success: false }));
    const development = { ...production, MEMX_ENV: "development", RATE_LIMITER: { limit } };
    expect((await call("/get?key=a", keys[0], development)).status).toBe(200);
    expect(limit).not.toHaveBeenCalled();
    limit.mockRejectedValue(new Error("broken"));
    expect((await call("/get?key=a", keys[0], { ...production, RATE_LIMITER: { limit } })).status).toBe(200);
    expect(warn.mock.calls).toEqual([[expect.objectContaining({ event: "rate_limiter_failed" })]]);
  });

  describe("where no limiter is bound", () => {
    const { RATE_LIMITER: _, ...unbound } = production;
    afterEach(() => void vi.useRealTimers());

    it("gets 2,000 calls in 10 seconds, and learns when the next period begins", async () => {
      vi.useFakeTimers({ toFake: ["Date"], now: 1_790_000_006_500 });
      const apiKey = freshKey();
      for (let n = 0; n < 2_000; n++) await problem(await call("/get?key=a", apiKey, unbound), "invalid_api_key");
      const response = await call("/get?key=a", apiKey, unbound);
      expect(response.headers.get("retry-after")).toBe("4");
      await problem(response, "rate_limited");
      expect((await call("/get?key=a", keys[0], unbound)).status).toBe(200);
      vi.setSystemTime(1_790_000_010_000);
      await problem(await call("/get?key=a", apiKey, unbound), "invalid_api_key");
    });

    it("gets as many calls as RATE_LIMIT says, and any number with 0 or in development", async () => {
      vi.useFakeTimers({ toFake: ["Date"], now: 1_790_000_000_000 });
      const allowed = async (settings: Partial<Env>) => {
        const apiKey = freshKey();
        for (let calls = 0; calls < 10; calls++) {
          const { status } = await call("/get?key=a", apiKey, { ...unbound, ...settings } as Env);
          if (status === 429) return calls;
        }
        return "any";
      };
      expect(await allowed({ RATE_LIMIT: "7" })).toBe(7);
      expect(await allowed({ RATE_LIMIT: "0" })).toBe("any");
      expect(await allowed({ RATE_LIMIT: "7", MEMX_ENV: "development" })).toBe("any");
    });
  });
});
