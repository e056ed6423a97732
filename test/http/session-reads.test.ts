// The revision that every response about a namespace carries, and reads that ask for a state at least as new as one.

import { describe, expect, it } from "vitest";
import { answer, freshKey, post, problem, request, set, setSchema } from "../support/client.ts";

const path = (name: string, query: object) => `${name}?${new URLSearchParams(query as Record<string, string>)}`;
const revisionOf = (response: Response) => Number(response.headers.get("memx-revision"));
const read = async (key: string) => revisionOf(await request("GET", path("/get", { key })));

describe("memx-revision", () => {
  it("is that of a write in its response, and in every read after it", async () => {
    const key = freshKey();
    const written = await post("/set", { key, value: 1 });
    const { revision } = (await written.json()) as { revision: number };
    expect(revisionOf(written)).toBe(revision);
    for (const response of [
      await request("GET", path("/get", { key })),
      await request("GET", path("/get", { key: freshKey() })),
      await post("/read", { keys: [key] }),
      await request("GET", path("/keys", { prefix: key })),
      await request("GET", path("/history", { key })),
      await request("GET", path("/schema", { key })),
      await post("/delete", { key: freshKey() }),
      await post("/batch", { operations: [{ op: "check", key, expect: revision }] }),
      await post("/set", { key, value: 2, expect: 0 }),
    ]) {
      // Other tests may write to the namespace.
      expect(revisionOf(response), response.url).toBeGreaterThanOrEqual(revision);
    }
  });

  it("is that of the last of several writes", async () => {
    const key = freshKey();
    const batch = await post("/batch", { operations: [1, 2, 3].map((value) => ({ op: "set", key, value })) });
    const { results } = (await batch.json()) as { results: { revision: number }[] };
    expect(revisionOf(batch)).toBe(results[2]?.revision);
    const bulk = await post("/bulk", { operations: [1, 2, 3].map((value) => ({ op: "set", key, value })) });
    const bodies = ((await bulk.json()) as { results: { body: { revision: number } }[] }).results;
    expect(revisionOf(bulk)).toBe(Math.max(...bodies.map(({ body }) => body.revision)));
    const patch = await post("/patch", { key, increment: { by: 1 } });
    expect(revisionOf(patch)).toBe(((await patch.json()) as { revision: number }).revision);
    expect((await setSchema(key, {})).revision).toBeGreaterThan(revisionOf(patch));
  });

  it("tells of a deletion to who reads that the key holds nothing", async () => {
    const key = freshKey();
    await set(key, 1);
    const { revision } = await answer<{ revision: number }>(post("/delete", { key }));
    expect(await read(key)).toBeGreaterThanOrEqual(revision);
    const conflict = await post("/set", { key, value: 1, expect: 7 });
    expect(conflict.status).toBe(409);
    expect(revisionOf(conflict)).toBeGreaterThanOrEqual(revision);
  });

  it("is in no response that tells nothing of the namespace", async () => {
    const key = freshKey();
    await setSchema(key, { type: "number" });
    expect((await post("/set", { key, value: "no number" })).headers.get("memx-revision")).toBeNull();
    expect((await request("GET", "/get")).headers.get("memx-revision")).toBeNull();
  });
});

describe("min_revision", () => {
  const reads = [
    ["/get", (key: string, fresh: object) => request("GET", path("/get", { key, ...fresh }))],
    ["/keys", (key: string, fresh: object) => request("GET", path("/keys", { prefix: key, ...fresh }))],
    ["/read", (key: string, fresh: object) => post("/read", { keys: [key], ...fresh })],
  ] as const;

  it.each(reads)("of %s: a state with all changes up to it, or 412", async (_, readKey) => {
    const key = freshKey();
    const { revision } = await set(key, { x: 1 });
    const response = await readKey(key, { min_revision: revision });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain(String(revision));

    const ahead = await readKey(key, { min_revision: Number.MAX_SAFE_INTEGER });
    expect(revisionOf(ahead)).toBeGreaterThanOrEqual(revision);
    const { detail } = await problem(ahead, "revision_ahead");
    expect(detail).not.toContain("x");
  });

  it.each(reads)("of %s: is refused if it is no revision", async (_, readKey) => {
    for (const fresh of [{ min_revision: -1 }, { min_revision: 1.5 }, { min_revision: "x" }, { max_age: -1 }]) {
      await problem(await readKey(freshKey(), fresh), "invalid_request");
    }
  });

  it.each(reads)("of %s: the newest state is young enough for any max_age", async (_, readKey) => {
    const key = freshKey();
    const { revision } = await set(key, { x: 1 });
    for (const max_age of [0, 0.5, 60]) {
      const response = await readKey(key, { max_age });
      expect(response.status).toBe(200);
      expect(revisionOf(response)).toBeGreaterThanOrEqual(revision);
    }
  });

  it("can be a header, and then the higher one counts", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    const ahead = String(Number.MAX_SAFE_INTEGER);
    const get = (header: string, query: object = {}) =>
      request("GET", path("/get", { key, ...query }), { headers: { "memx-min-revision": header } });
    expect((await get(String(revision))).status).toBe(200);
    expect((await get(ahead)).status).toBe(412);
    expect((await get(ahead, { min_revision: 0 })).status).toBe(412);
    expect((await get("0", { min_revision: ahead })).status).toBe(412);
    expect((await post("/read", { keys: [key] }, { headers: { "memx-min-revision": ahead } })).status).toBe(412);
    for (const header of ["-1", "x", "1.0", "99999999999999999"]) {
      const { detail } = await problem(await get(header), "invalid_request");
      expect(detail).toContain("memx-min-revision");
    }
  });

  it("does not tell a caller without the right to read more than that", async () => {
    const hidden = path("/get", { key: "memx:other", min_revision: "9007199254740991" });
    const response = await request("GET", hidden, { apiKey: "agent_key_1" });
    expect(response.headers.get("memx-revision")).toBeNull();
    await problem(response, "forbidden");
  });
});
