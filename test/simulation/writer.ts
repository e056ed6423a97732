// A writer: sets and deletes values and schemas, each until it is answered.

import type { Context } from "hono";
import { announced } from "../../worker/channels/publish.ts";
import { openStore } from "../../worker/store/open-store.ts";
import type { Random } from "./random.ts";
import type { WrittenChange } from "./truth.ts";
import type { World } from "./world.ts";

type Write = Pick<WrittenChange, "key" | "event" | "action" | "json">;

export async function write(world: World, name: string, random: Random): Promise<void> {
  const count = random.integer(8, 24);
  const maxPauseMs = random.pick([1, 4, 15]);
  for (let n = 0; n < count; n++) {
    const next = choose(world, random, { by: name, n });
    const begun = world.now();
    world.writesBegun++;
    const revision = await untilAnswered(world, next, `${name}-${n}`);
    if (revision !== null) world.written.push({ ...next, revision, begun, answered: world.now() });
    if (!random.chance(0.3)) await scheduler.wait(random.number(0, maxPauseMs));
  }
}

function choose({ keys }: World, random: Random, mark: { by: string; n: number }): Write {
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

/** The revision of its change, or `null` where there was nothing to change. */
async function untilAnswered(world: World, next: Write, id: string): Promise<number | null> {
  for (;;) {
    if (next.event === "value" && next.action === "delete") {
      // There is no HTTP call for it yet, and none of its parts is left out but that one.
      const answer = await deleteValue(world, next.key, id).catch(() => undefined);
      if (answer !== undefined) return answer;
    } else {
      const response = await send(world, next, id);
      const text = await response.text();
      if (response.ok) return JSON.parse(text).revision;
      if (response.status === 404) return null;
      if (response.status !== 503 && response.status !== 409) throw new Error(`a write was answered ${text}`);
    }
    world.count("writes repeated");
    await scheduler.wait(2);
  }
}

function send(world: World, { key, event, action, json }: Write, id: string): Promise<Response> {
  const headers = { "content-type": "application/json", "idempotency-key": id };
  if (action === "delete") return world.fetch(`/schema?key=${encodeURIComponent(key)}`, { method: "DELETE", headers });
  const body = new TextEncoder().encode(`{"key":${JSON.stringify(key)},"${event}":${json}}`);
  return world.fetch(event === "value" ? "/set" : "/schema", { method: "POST", headers, body });
}

async function deleteValue(world: World, key: string, id: string): Promise<number | null> {
  return world.within(async (executionCtx) => {
    const { namespace, env } = world;
    const c = { env, executionCtx } as unknown as Context<{ Bindings: Env }>;
    const outcome = openStore(env).write(namespace, [{ op: "delete", key }], { id, fingerprint: id });
    const applied = await announced(
      c,
      namespace,
      outcome.then((told) => (told.outcome === "applied" ? (told.results[0] ?? null) : null)),
    );
    return applied?.change.revision ?? null;
  });
}
