// Leases have one holder at a time, renew themselves, and report their loss.

import { expect, it } from "vitest";
import { ConflictError, LeaseLostError } from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

it("has one holder at a time, and a larger token for each", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const lease = await memx.lease(key, { ttl: 10, holder: "a" });
  const refused = await memx.lease(key, { ttl: 10, holder: "b" }).catch((error) => error);
  expect(refused).toBeInstanceOf(ConflictError);
  expect(refused.current.value).toBe("a");
  await lease.release();
  await using next = await memx.lease(key, { ttl: 10 });
  expect(next.token).toBeGreaterThan(lease.token);
  expect(lease.signal.aborted).toBe(true);
});

it("releases the key at the end of the block", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  {
    await using lease = await memx.lease(key, { ttl: 10 });
    expect((await memx.get(key))?.revision).toBe(lease.revision);
  }
  expect(await memx.get(key)).toBeNull();
});

it("renews itself before it expires", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await using lease = await memx.lease(key, { ttl: 3 });
  await expect.poll(() => lease.revision).toBeGreaterThan(lease.token);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(lease.signal.aborted).toBe(false);
  expect((await memx.get(key))?.value).toBe(lease.holder);
});

it("aborts its signal when another client writes to the key, and then releases nothing", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const lease = await memx.lease(key, { ttl: 1 });
  await memx.set(key, "a thief");
  await expect.poll(() => lease.signal.aborted).toBe(true);
  expect(lease.signal.reason).toBeInstanceOf(LeaseLostError);
  await lease.release();
  expect((await memx.get(key))?.value).toBe("a thief");
});

it("aborts its signal if no renewal succeeds in time", async () => {
  const { exports } = await import("cloudflare:workers");
  let down = false;
  const fetch = async (url: string, init: RequestInit) => {
    if (down) throw new TypeError("no network");
    return exports.default.fetch(new Request(url, init));
  };
  const { memx } = connectMemx({ fetch });
  const lease = await memx.lease(freshKey(), { ttl: 1 });
  down = true;
  await expect.poll(() => lease.signal.aborted).toBe(true);
});

it("waits until the holder releases the lease", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const first = await memx.lease(key, { ttl: 10 });
  const second = memx.lease(key, { ttl: 10, wait: true });
  setTimeout(() => void first.release(), 300);
  const lease = await second;
  expect(lease.token).toBeGreaterThan(first.token);
  await lease.release();
});

it("stops waiting when its signal aborts", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await using _first = await memx.lease(key, { ttl: 10 });
  const reason = new Error("enough");
  const abort = new AbortController();
  const second = memx.lease(key, { ttl: 10, wait: true, signal: abort.signal });
  setTimeout(() => abort.abort(reason), 100);
  await expect(second).rejects.toBe(reason);
});
