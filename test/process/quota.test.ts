// A deployment with quotas for its namespaces.

import { expect, it } from "vitest";
import { sender } from "./support/agents-at-work.ts";
import { startBridgedRedis } from "./support/bridged-redis.ts";
import { startWorkerd } from "./support/workerd.ts";

async function bindingsOf(engine: string): Promise<Record<string, string>> {
  return engine === "embedded" ? {} : startBridgedRedis();
}

it.each(["embedded", "redis"])(
  "responds with 507 when a namespace is full, and accepts writes again after a delete: %s",
  async (engine) => {
    const limits = { MAX_NAMESPACE_KEYS: "2", MAX_NAMESPACE_BYTES: "20" };
    const send = sender((await startWorkerd({ bindings: { ...(await bindingsOf(engine)), ...limits } })).url);
    for (const key of ["a", "b"]) expect((await send("/set", { key, value: 1 })).status).toBe(200);
    const full = { status: 507, body: { code: "quota_exceeded", title: "The namespace is full", status: 507 } };
    expect(await send("/set", { key: "c", value: 1 })).toMatchObject(full);
    expect(await send("/schema", { key: "c", schema: true })).toMatchObject(full);
    expect(await send("/set", { key: "a", value: "more than twenty bytes" })).toMatchObject(full);
    expect(await send("/patch", { key: "a", merge: { text: "more than twenty bytes" } })).toMatchObject(full);
    expect((await send("/set", { key: "a", value: 2 })).status).toBe(200);
    const operations = [
      { op: "delete", key: "a" },
      { op: "set", key: "c", value: 1 },
    ];
    expect((await send("/batch", { operations })).status).toBe(200);
  },
);

it("logs what is wrong with a setting, and responds with 503", async () => {
  const { url, output } = await startWorkerd({ bindings: { MAX_NAMESPACE_KEYS: "many" } });
  expect(await sender(url)("/get?key=a")).toMatchObject({ status: 503, body: { code: "store_unavailable" } });
  await expect.poll(output).toContain("MAX_NAMESPACE_KEYS must be a whole number");
});
