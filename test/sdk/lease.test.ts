// Leases against the real memX: one holder at a time, renewal, loss, release, and what lost responses do to them.
// lease-table.test.ts and test/simulation/lease.test.ts have the rest.

import { exports } from "cloudflare:workers";
import { expect, it } from "vitest";
import {
  ConflictError,
  InvalidRequestError,
  LeaseLostError,
  type MemXOptions,
  NetworkError,
} from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

type Respond = (url: string, init: RequestInit) => Promise<Response>;

const pass: Respond = (url, init) => exports.default.fetch(new Request(url, init));

/** memX applies the request, but the response is lost. */
const loseResponse: Respond = async (url, init) => {
  await pass(url, init);
  throw new TypeError("the connection was lost");
};

const loseRequest: Respond = async () => {
  throw new TypeError("no network");
};

/** Nothing comes back, until the client gives up. */
const hang: Respond = (_, { signal }) =>
  new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));

/** A client whose next writes get `responses` in turn, and then whatever `otherwise` says. */
function unreliable(options: MemXOptions = {}) {
  const network = { responses: [] as Respond[], otherwise: pass };
  const sent: { readonly path: string; readonly id: string | null; readonly body: { expect?: number } }[] = [];
  const fetch: Respond = (url, init) => {
    if (init.method === "GET") return pass(url, init);
    const id = new Headers(init.headers).get("idempotency-key");
    sent.push({ path: new URL(url).pathname, id, body: JSON.parse(String(init.body)) });
    return (network.responses.shift() ?? network.otherwise)(url, init);
  };
  return { network, sent, ...connectMemx({ fetch, ...options }) };
}

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

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

it("aborts its signal when it is released, but not as lost", async () => {
  const { memx } = connectMemx();
  const lease = await memx.lease(freshKey(), { ttl: 10 });
  const released = lease.release();
  expect(lease.signal.reason).toMatchObject({ name: "AbortError" });
  expect(lease.signal.reason).not.toBeInstanceOf(LeaseLostError);
  await released;
});

it("is released once, however often and wherever it is closed", async () => {
  const { memx, requests } = connectMemx();
  const lease = await memx.lease(freshKey(), { ttl: 10 });
  const released = lease.release();
  expect(lease.release()).toBe(released);
  lease[Symbol.dispose]();
  expect(lease[Symbol.asyncDispose]()).toBe(released);
  await released;
  expect(lease.release()).toBe(released);
  expect(requests.filter(({ url }) => url.endsWith("/delete"))).toHaveLength(1);
});

it("renews itself before it expires, also with a ttl that is not a whole number", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const ttl = 10 / 3;
  await using lease = await memx.lease(key, { ttl });
  await expect.poll(() => lease.revision).toBeGreaterThan(lease.token);
  await delay(ttl * 1_000);
  expect(lease.signal.aborted).toBe(false);
  expect((await memx.get(key))?.value).toBe(lease.holder);
});

it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, "10" as unknown as number])(
  "refuses a ttl of %s, and sends nothing",
  async (ttl) => {
    const { memx, requests } = connectMemx();
    await expect(memx.lease(freshKey(), { ttl })).rejects.toBeInstanceOf(InvalidRequestError);
    expect(requests).toHaveLength(0);
  },
);

it.each([
  [0.2, 1],
  [10 / 3, 3.333],
  [1e12, 31_536_000],
])("makes a ttl of %d one that memX and timers take: %d", async (ttl, sentTtl) => {
  const { memx, sent } = unreliable();
  await using lease = await memx.lease(freshKey(), { ttl });
  expect(sent[0]?.body).toMatchObject({ ttl: sentTtl });
  await delay(50);
  // `setTimeout` fires at once if it has to wait longer than 2^31 ms.
  expect(ttl > 1 ? lease.revision : lease.token).toBe(lease.token);
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

it.each([
  ["fail", loseRequest],
  ["get no response", hang],
])("aborts its signal at its end if all renewals %s", async (_, respond) => {
  const { memx, network } = unreliable();
  const lease = await memx.lease(freshKey(), { ttl: 1 });
  network.otherwise = respond;
  await expect.poll(() => lease.signal.aborted).toBe(true);
  expect(lease.signal.reason).toBeInstanceOf(LeaseLostError);
  await lease.release();
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
  const { memx, sockets } = connectMemx();
  const key = freshKey();
  await using _first = await memx.lease(key, { ttl: 10 });
  const reason = new Error("enough");
  const abort = new AbortController();
  const second = memx.lease(key, { ttl: 10, wait: true, signal: abort.signal });
  setTimeout(() => abort.abort(reason), 100);
  await expect(second).rejects.toBe(reason);
  await expect.poll(() => sockets.some((socket) => socket.open)).toBe(false);
});

it("stops waiting when its client is closed", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  await using _first = await memx.lease(key, { ttl: 10 });
  const second = memx.lease(key, { ttl: 10, wait: true });
  setTimeout(() => memx.close(), 100);
  await expect(second).rejects.toMatchObject({ code: "closed" });
});

it("refuses a claim whose response comes after its end, when the key has another holder", async () => {
  const { memx, network } = unreliable();
  const { memx: rival } = connectMemx();
  const key = freshKey();
  // The rival waits for the key, and gets it as soon as the claim expires.
  const late: Respond = async (url, init) => {
    await rival.lease(key, { ttl: 30, holder: "rival", wait: true });
    return pass(url, init);
  };
  network.responses.push(loseResponse, late);
  await expect(memx.lease(key, { ttl: 1 })).rejects.toBeInstanceOf(ConflictError);
  expect((await memx.get(key))?.value).toBe("rival");
});

it("refuses a claim whose response comes after its end, when the key is free again", async () => {
  const { memx, network } = unreliable();
  const key = freshKey();
  network.responses.push(async (url, init) => {
    const response = await pass(url, init);
    await expect.poll(() => memx.get(key)).toBeNull();
    return response;
  });
  await expect(memx.lease(key, { ttl: 1 })).rejects.toBeInstanceOf(LeaseLostError);
});

it("begins if a renewal confirms a claim whose response comes after its end", async () => {
  const { memx, network } = unreliable();
  const key = freshKey();
  network.responses.push(async (url, init) => {
    await delay(2_100);
    return pass(url, init);
  });
  await using lease = await memx.lease(key, { ttl: 2 });
  expect(lease.revision).toBeGreaterThan(lease.token);
});

it("is not lost if memX applied a renewal whose response was lost, and then was away", async () => {
  const { memx, network, sent } = unreliable();
  const key = freshKey();
  await using lease = await memx.lease(key, { ttl: 9 });
  network.responses.push(loseResponse, loseRequest, loseRequest, loseRequest, loseRequest);
  await expect.poll(() => lease.revision).toBeGreaterThan(lease.token);
  expect(lease.signal.aborted).toBe(false);
  expect(await memx.get(key)).toMatchObject({ value: lease.holder });
  // On a busy machine the next renewal may have begun.
  const renewals = sent.slice(1, 7);
  expect(renewals).toHaveLength(6);
  expect(new Set(renewals.map(({ id }) => id)).size).toBe(1);
});

it("is released if memX applied the deletion, but the response was lost, and memX was away", async () => {
  const { memx, network, sent } = unreliable();
  const key = freshKey();
  const lease = await memx.lease(key, { ttl: 10 });
  network.responses.push(loseResponse, loseRequest, loseRequest, loseRequest, loseRequest);
  await lease.release();
  expect(await memx.get(key)).toBeNull();
  expect(new Set(sent.slice(1).map(({ id }) => id)).size).toBe(1);
});

it.each([
  ["a random value", undefined],
  ["a value of the caller", "agent-7"],
])("deletes what a renewal wrote whose response had not come before the release, with %s", async (_, holder) => {
  const { memx, network } = unreliable();
  const key = freshKey();
  const lease = await memx.lease(key, { ttl: 3, holder });
  let renewed = false;
  network.responses.push(async (url, init) => {
    await pass(url, init);
    renewed = true;
    return hang(url, init);
  });
  await expect.poll(() => renewed).toBe(true);
  await lease.release();
  await expect.poll(() => memx.get(key)).toBeNull();
});

it("is released at its end at the latest, because then it is over", async () => {
  const { memx, network } = unreliable();
  const key = freshKey();
  const lease = await memx.lease(key, { ttl: 2 });
  network.otherwise = hang;
  await lease.release();
  expect(lease.signal.reason).not.toBeInstanceOf(LeaseLostError);
});

it("rejects its release if memX refuses the deletion", async () => {
  const { memx, network } = unreliable();
  const lease = await memx.lease(freshKey(), { ttl: 2 });
  network.responses.push(async () => Response.json({ code: "forbidden", detail: "No." }, { status: 403 }));
  await expect(lease.release()).rejects.toMatchObject({ code: "forbidden" });
});

it("leaves no claim behind when it is cancelled after memX applied it", async () => {
  const { memx, network } = unreliable();
  const key = freshKey();
  const abort = new AbortController();
  const reason = new Error("enough");
  network.responses.push(async (url, init) => {
    const response = await pass(url, init);
    abort.abort(reason);
    return response;
  });
  await expect(memx.lease(key, { ttl: 3_600, signal: abort.signal })).rejects.toBe(reason);
  await expect.poll(() => memx.get(key)).toBeNull();
});

it("leaves no claim behind when it is cancelled between two tries", async () => {
  const { memx, network, sent } = unreliable();
  const key = freshKey();
  const abort = new AbortController();
  const reason = new Error("enough");
  network.responses.push(loseResponse, async (url, init) => {
    abort.abort(reason);
    return loseRequest(url, init);
  });
  await expect(memx.lease(key, { ttl: 3_600, signal: abort.signal })).rejects.toBe(reason);
  await expect.poll(() => memx.get(key)).toBeNull();
  const claims = sent.filter(({ path }) => path === "/set");
  expect(new Set(claims.map(({ id }) => id)).size).toBe(1);
});

it("leaves no claim behind when all its retries have failed", async () => {
  const { memx, network } = unreliable({ retries: 1 });
  const key = freshKey();
  network.responses.push(loseResponse, loseResponse);
  await expect(memx.lease(key, { ttl: 3_600 })).rejects.toBeInstanceOf(NetworkError);
  await expect.poll(() => memx.get(key)).toBeNull();
});

it("sends nothing if its signal was aborted before", async () => {
  const { memx, requests } = connectMemx();
  const reason = new Error("enough");
  await expect(memx.lease(freshKey(), { ttl: 10, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(requests).toHaveLength(0);
});

it("takes over a claim of a program that ended before it got the response, by its idempotency key", async () => {
  const key = freshKey();
  const options = { ttl: 30, idempotencyKey: freshKey() };
  const { memx: ended, network, sent } = unreliable({ timeoutMs: 2 ** 31 - 1 });
  network.otherwise = async (url, init) => {
    await pass(url, init);
    return new Promise(() => {});
  };
  void ended.lease(key, options);
  await expect.poll(() => ended.get(key)).not.toBeNull();
  expect(sent[0]?.id).toBe(options.idempotencyKey);

  const { memx } = connectMemx();
  await using lease = await memx.lease(key, options);
  expect(await memx.get(key)).toMatchObject({ value: lease.holder, revision: lease.revision });
  // A third program cannot take it over: the second one has it.
  await expect(memx.lease(key, options)).rejects.toBeInstanceOf(ConflictError);
});

it("does not swallow a defect: the claim, its signal and its release tell of it", async () => {
  const { memx } = connectMemx();
  const defect = new RangeError("a defect");
  let isBroken = true;
  const holder = {
    toJSON() {
      if (isBroken) throw defect;
      return "agent-7";
    },
  };
  await expect(memx.lease(freshKey(), { ttl: 1, holder })).rejects.toBe(defect);
  isBroken = false;
  const lease = await memx.lease(freshKey(), { ttl: 1, holder });
  isBroken = true;
  await expect.poll(() => lease.signal.aborted).toBe(true);
  expect(lease.signal.reason).toBeInstanceOf(LeaseLostError);
  expect(lease.signal.reason.cause).toBe(defect);
  await expect(lease.release()).rejects.toBe(defect);
});

it("is abandoned: it is neither renewed nor deleted, and expires", async () => {
  const { memx, sent } = unreliable();
  const key = freshKey();
  const lease = await memx.lease(key, { ttl: 1 });
  lease.abandon();
  expect(lease.signal.reason).toBeInstanceOf(LeaseLostError);
  await lease.release();
  await expect.poll(() => memx.get(key)).toBeNull();
  expect(sent).toHaveLength(1);
});

it.each(["{}", "null"])("does not take the response %s of another service for a success", async (text) => {
  const { memx, network } = unreliable();
  network.responses.push(async () => new Response(text));
  await using lease = await memx.lease(freshKey(), { ttl: 10 });
  expect(lease.token).toBeGreaterThan(0);
});
