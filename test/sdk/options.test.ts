// The options of the client are checked when it is made: what cannot work must not look like an outage later.

import { expect, it } from "vitest";
import { InvalidRequestError, MemX, type MemXOptions } from "../../sdk/typescript/index.ts";
import { freshKey } from "../support/client.ts";
import { connectMemx } from "../support/sdk-client.ts";

const refusal = (options: object): Error => {
  try {
    new MemX(options as MemXOptions);
  } catch (error) {
    return error as Error;
  }
  throw new Error("not refused");
};

it.each([
  ["memx:8000", "http://memx:8000"],
  ["ws://memx/x", "http://memx/x"],
  ["wss://memx", "https://memx"],
  ["http://user:secret@memx/x", "http://memx/x"],
  ["http://user@memx", "http://memx"],
  ["http://:@memx", "http://memx"],
  ["user:secret@memx", "http://memx"],
  ["http://memx?", "http://memx"],
  ["http://memx/x?tenant=secret", "http://memx/x"],
  ["http://memx/#", "http://memx"],
  ["http://memx/x#secret", "http://memx/x"],
  [" http://memx", "http://memx"],
  ["http://memx ", "http://memx"],
  ["http://memx\n", "http://memx"],
  ["http://memx/a b", "http://memx/a%20b"],
])("refuses the base URL %j, and says to write %s", (baseUrl, instead) => {
  const error = refusal({ baseUrl });
  expect(error).toBeInstanceOf(TypeError);
  expect(error.message).toContain(`Write ${instead} instead.`);
  expect(error.message).not.toContain("secret");
});

it.each(["", "ftp://memx", "http://", "http://memx:99999", "//", "javascript:1"])(
  "refuses the base URL %j",
  (baseUrl) => {
    expect(refusal({ baseUrl })).toBeInstanceOf(TypeError);
  },
);

it.each([
  ["HTTP://MemX:80/x//", "http://memx/x"],
  ["https://memx:8443", "https://memx:8443"],
  ["http://[::1]:8000/", "http://[::1]:8000"],
  ["http://memx/@x", "http://memx/@x"],
])("sends requests for the base URL %s to %s", async (baseUrl, base) => {
  const urls: string[] = [];
  const fetch = async (url: string) => {
    urls.push(url);
    return Response.json({ status: "ok" });
  };
  await new MemX({ baseUrl, fetch }).health();
  expect(urls).toEqual([`${base}/health`]);
});

it.each([
  ["begins with a blank", " sesame"],
  ["ends with the line break of a file", "sesame\n"],
  ["has a line break", "a\nb"],
  ["has a blank", "open sesame"],
  ["has other characters than ASCII", "sésame"],
  ["has half of a surrogate pair", "sesame\ud800"],
  ["is not text", 5],
])("refuses an API key that %s, and does not show it", (_, apiKey) => {
  const error = refusal({ apiKey });
  expect(error).toBeInstanceOf(TypeError);
  expect(error.message).toMatch(/^The API key must/);
  expect(error.message).not.toContain(String(apiKey).trim());
});

it.each([
  ["fetch", { fetch: "http" }],
  ["WebSocket", { WebSocket: {} }],
  ["agent", { agent: "" }],
  ["agent", { agent: "a".repeat(65) }],
  ["agent", { agent: "a\nb" }],
  ["agent", { agent: " a" }],
  ["agent", { agent: "a\ud800" }],
  ["agent", { agent: 5 }],
])("refuses a wrong option %s", (name, options) => {
  const error = refusal(options);
  expect(error).toBeInstanceOf(TypeError);
  expect(error.message).toContain(name);
});

it("refuses an option that does not exist", () => {
  const error = refusal({ apikey: "local_dev_key" });
  expect(error).toBeInstanceOf(InvalidRequestError);
  expect(error.message).toBe("There is no option `apikey` here.");
});

it("refuses options that a call does not have, before it sends anything", async () => {
  const { memx, requests } = connectMemx();
  const key = freshKey();
  const wrong = (options: object) => options as never;
  const calls = [
    () => memx.get(key, wrong({ ttl: 1 })),
    () => memx.getMany([key], wrong({ idempotencyKey: "a" })),
    () => memx.set(key, 1, wrong({ exepct: 0 })),
    () => memx.set(key, 1, wrong({ path: "/a" })),
    () => memx.delete(key, wrong({ ttl: 1 })),
    () => memx.patch(key, [], wrong({ ts: 1 })),
    () => memx.merge(key, {}, wrong({ path: "/a" })),
    () => memx.increment(key, 1, wrong({ limit: 1 })),
    () => memx.append(key, [], wrong({ ts: 1 })),
    () => memx.batch([], wrong({ expect: 1 })),
    () => memx.getSchema(key, wrong({ expect: 1 })),
    () => memx.setSchema(key, true, wrong({ ttl: 1 })),
    () => memx.deleteSchema(key, wrong({ ttl: 1 })),
    () => memx.health(wrong({ retries: 1 })),
    () => memx.whoami(wrong({ retries: 1 })),
    () => memx.update(key, () => 1, wrong({ ts: 1 })),
    () => Array.fromAsync(memx.keys(wrong({ limit: 1 }))),
    () => Array.fromAsync(memx.history(key, wrong({ limit: 1 }))),
  ];
  for (const call of calls) await expect(call()).rejects.toBeInstanceOf(InvalidRequestError);
  expect(() => memx.subscribe(key, wrong({ onstatus: () => {} }))).toThrow(InvalidRequestError);
  expect(() => memx.watch("*", () => {}, wrong({ snapshots: true }))).toThrow(InvalidRequestError);
  expect(requests).toEqual([]);
});

it.each([
  { snapshot: true, since: 5 },
  { since: -1 },
  { since: 1.5 },
  { since: Number.NaN },
  { buffer: 0 },
  { buffer: Number.NaN },
  { event: "values" },
])("refuses a subscription with %j", (options) => {
  const { memx } = connectMemx();
  expect(() => memx.subscribe(freshKey(), options as never)).toThrow(InvalidRequestError);
  expect(() => memx.watch("*", () => {}, options as never)).toThrow(InvalidRequestError);
});

it("does not write twice for `update` with the same Idempotency-Key, also after a restart", async () => {
  const { memx } = connectMemx();
  const key = freshKey();
  const increment = () => memx.update<number>(key, (value = 0) => value + 1, { idempotencyKey: `once-${key}` });
  expect(await increment()).toMatchObject({ value: 1 });
  await expect(increment()).rejects.toBeInstanceOf(InvalidRequestError);
  expect((await memx.get(key))?.value).toBe(1);
});

it("keeps the Idempotency-Key of `update` over its attempts", async () => {
  const { memx, requests } = connectMemx();
  const key = freshKey();
  let interfere = true;
  const idempotencyKey = `once-${key}`;
  const change = async (value = 0) => {
    if (interfere) await memx.set(key, 10);
    interfere = false;
    return value + 1;
  };
  expect(await memx.update<number>(key, change, { idempotencyKey })).toMatchObject({ value: 11 });
  const sent = requests.filter(({ url }) => url.endsWith("/set")).map(({ headers }) => headers.get("idempotency-key"));
  expect(sent.filter((each) => each === idempotencyKey)).toHaveLength(2);
});
