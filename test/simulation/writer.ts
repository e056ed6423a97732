// A writer: sets and deletes values and schemas, and repeats each write until it is acknowledged.

import { connectCalls } from "../support/call-socket.ts";
import type { Random } from "../support/random.ts";
import type { WrittenChange } from "./truth.ts";
import type { World } from "./world.ts";

type CallSocket = Awaited<ReturnType<typeof connectCalls>>;

type Write = Pick<WrittenChange, "key" | "event" | "action" | "json" | "by">;

export async function write(world: World, name: string, random: Random): Promise<void> {
  const count = random.integer(8, 24);
  const maxPauseMs = random.pick([1, 4, 15]);
  const by = random.fork("by").chance(0.5) ? `${name}, of ${count} writes` : undefined;
  const { apiKey, overSocket } = world;
  const socket = overSocket ? await connectCalls({ fetch: (...args) => world.fetch(...args), apiKey }) : undefined;
  for (let n = 0; n < count; n++) {
    const next = { ...choose(world, random, { by: name, n }), by };
    const begun = world.now();
    world.writesBegun++;
    const revision = await untilAnswered(world, socket, next, `${name}-${n}`);
    if (revision !== null) world.written.push({ ...next, revision, begun, answered: world.now() });
    if (!random.chance(0.3)) await scheduler.wait(random.number(0, maxPauseMs));
  }
  // Its announcements count until it has closed.
  socket?.socket.close(1000);
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
async function untilAnswered(
  world: World,
  socket: CallSocket | undefined,
  next: Write,
  id: string,
): Promise<number | null> {
  for (;;) {
    const { status, body } = await (socket ? sendOverSocket(socket, next, id) : sendByHttp(world, next, id));
    if (status === 200) {
      const { revision, deleted = true } = body as { revision: number; deleted?: boolean };
      return deleted ? revision : null;
    }
    if (status === 404) return null;
    if (status !== 503 && status !== 409) throw new Error(`a write got ${JSON.stringify(body)}`);
    world.count("writes repeated");
    await scheduler.wait(2);
  }
}

type Answer = { readonly status: number; readonly body: unknown };

async function sendOverSocket({ calls }: CallSocket, write: Write, id: string): Promise<Answer> {
  const { key, event, action, json, by } = write;
  const call = event === "value" ? action : `schema_${action}`;
  const body = { key, ...(json !== null && { [event]: JSON.parse(json) }) };
  const [answer] = await calls([call, body, { idempotency: id, agent: by }]);
  return answer as Answer;
}

async function sendByHttp(world: World, write: Write, id: string): Promise<Answer> {
  const { key, event, action, json, by } = write;
  const headers = { "content-type": "application/json", "idempotency-key": id, ...(by && { "x-memx-agent": by }) };
  const name = JSON.stringify(key);
  const send = async (path: string, method: string, text?: string) => {
    const response = await world.fetch(path, {
      method,
      headers,
      ...(text && { body: new TextEncoder().encode(text) }),
    });
    return { status: response.status, body: await response.json() };
  };
  if (action === "set") {
    return send(event === "value" ? "/set" : "/schema", "POST", `{"key":${name},"${event}":${json}}`);
  }
  if (event === "value") return send("/delete", "POST", `{"key":${name}}`);
  return send(`/schema?key=${encodeURIComponent(key)}`, "DELETE");
}
