// A writer: sets and deletes values and schemas, and repeats each write until it is acknowledged.

import type { Random } from "../support/random.ts";
import type { WrittenChange } from "./truth.ts";
import type { World } from "./world.ts";

type Write = Pick<WrittenChange, "key" | "event" | "action" | "json" | "by">;

export async function write(world: World, name: string, random: Random): Promise<void> {
  const count = random.integer(8, 24);
  const maxPauseMs = random.pick([1, 4, 15]);
  const by = random.fork("by").chance(0.5) ? `${name}, of ${count} writes` : undefined;
  for (let n = 0; n < count; n++) {
    const next = { ...choose(world, random, { by: name, n }), by };
    const begun = world.now();
    world.writesBegun++;
    const revision = await untilAnswered(world, next, `${name}-${n}`);
    if (revision !== null) world.written.push({ ...next, revision, begun, answered: world.now() });
    if (!random.chance(0.3)) await scheduler.wait(random.number(0, maxPauseMs));
  }
}

function choose({ keys }: World, random: Random, mark: { by: string; n: number }): Omit<Write, "by"> {
  const key = random.pick(keys);
  const what = random.number(0, 1);
  if (what < 0.7) return { key, event: "value", action: "set", json: JSON.stringify(mark) };
  if (what < 0.78) return { key, event: "value", action: "delete", json: null };
  if (what < 0.92) {
    return {
      key,
      event: "schema",
      action: "set",
      json: JSON.stringify({ type: "object", title: JSON.stringify(mark) }),
    };
  }
  return { key, event: "schema", action: "delete", json: null };
}

/** Returns the revision of the change, or `null` if the write changed nothing. */
async function untilAnswered(world: World, next: Write, id: string): Promise<number | null> {
  for (;;) {
    const response = await send(world, next, id);
    const text = await response.text();
    if (response.ok) {
      const { revision, deleted = true } = JSON.parse(text);
      return deleted ? revision : null;
    }
    if (response.status === 404) return null;
    if (response.status !== 503 && response.status !== 409) throw new Error(`a write got ${text}`);
    world.count("writes repeated");
    await scheduler.wait(2);
  }
}

function send(world: World, { key, event, action, json, by }: Write, id: string): Promise<Response> {
  const headers = { "content-type": "application/json", "idempotency-key": id, ...(by && { "x-memx-agent": by }) };
  const name = JSON.stringify(key);
  const post = (path: string, body: string) =>
    world.fetch(path, { method: "POST", headers, body: new TextEncoder().encode(body) });
  if (action === "set") return post(event === "value" ? "/set" : "/schema", `{"key":${name},"${event}":${json}}`);
  if (event === "value") return post("/delete", `{"key":${name}}`);
  return world.fetch(`/schema?key=${encodeURIComponent(key)}`, { method: "DELETE", headers });
}
