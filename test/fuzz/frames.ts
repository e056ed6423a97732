// Random frames for a socket of calls: calls that work, calls that do not, and frames that no client should send.

import { SOCKET_CALLS } from "../../sdk/protocol.ts";
import type { Random } from "../support/random.ts";
import { KEYS, markOf, type Tenant } from "./tenants.ts";

export type FuzzFrame = {
  /** The frames on the wire: opcode, payload, and whether the message ends. */
  readonly parts: readonly (readonly [opcode: number, payload: Buffer, last: boolean])[];
  /** Ids that memX must answer, unless it closes the socket. */
  readonly ids: readonly number[];
};

const CALLS = Object.keys(SOCKET_CALLS);
const ODD = [null, true, -1, 0, 1.5, 1e308, "", "a", [], {}, [[]], "\u0000", "\ud83d\ude00", { __proto__: 1 }, "keep"];
/** Opcodes: continuation, binary, close, ping, pong, and reserved ones. */
const OPCODES = [0, 2, 3, 8, 9, 10, 11];

/** @param nextId returns an id that was not used yet */
export function randomFrame(random: Random, tenant: Tenant, nextId: () => number): FuzzFrame {
  const kind = random.integer(0, 99);
  if (kind < 70) return calls(random, tenant, nextId);
  if (kind < 84) return broken(random, calls(random, tenant, nextId));
  if (kind < 90)
    return text(random.pick(["", " ", "null", "[]", "{}", "{}\n{}", "}\n{", "pong", '{"id":', '"', "\n\n"]));
  if (kind < 94)
    return { parts: [[random.pick(OPCODES), bytes(random, random.integer(0, 120)), random.chance(0.8)]], ids: [] };
  if (kind < 97) return fragments(calls(random, tenant, nextId), random);
  if (kind < 98) return text(`{"id":${nextId()},"call":"get","body":${"[".repeat(random.integer(1, 100_000))}`);
  if (kind < 99) return text(`{"id":${nextId()},"call":"get","x":"${"x".repeat(random.integer(1, 1_200_000))}"}`);
  const many = Array.from(
    { length: random.integer(900, 1_100) },
    () => `{"id":${nextId()},"call":"get","body":{"key":"a"}}`,
  );
  return text(many.join("\n"));
}

function text(payload: string): FuzzFrame {
  return { parts: [[1, Buffer.from(payload), true]], ids: [] };
}

function calls(random: Random, tenant: Tenant, nextId: () => number): FuzzFrame {
  const ids = Array.from({ length: random.chance(0.7) ? 1 : random.integer(2, 30) }, nextId);
  const messages = ids.map((id) => {
    const call = random.chance(0.97)
      ? random.pick(CALLS)
      : random.pick(["", "SET", "wipe", "__proto__", "toString", "connect"]);
    const more = {
      ...(random.chance(0.1) && { idempotency: random.pick(["a", "b", "a b", "", "x".repeat(300)]) }),
      ...(random.chance(0.05) && { agent: random.pick(["fuzz", "", " ", "\u0000", "x".repeat(100)]) }),
      ...(random.chance(0.02) && { [random.pick(["key", "__proto__", "constructor", "ids"])]: random.pick(ODD) }),
    };
    return JSON.stringify({ id, call, body: body(random, tenant), ...more });
  });
  return { parts: [[1, Buffer.from(messages.join("\n")), true]], ids };
}

function body(random: Random, tenant: Tenant): unknown {
  if (random.chance(0.05)) return random.pick(ODD);
  const key = random.pick(KEYS);
  const value = { mark: markOf(tenant, key), n: random.integer(0, 9), odd: random.pick(ODD) };
  const operation = () => ({ op: random.pick(["set", "delete", "check", "patch"]), key: random.pick(KEYS), value });
  const fields: Record<string, unknown> = {
    key,
    value,
    keys: [key, random.pick(KEYS)],
    operations: Array.from({ length: random.integer(0, 4) }, operation),
    schema: random.pick([
      true,
      { title: value.mark },
      { type: "object", title: value.mark },
      { $ref: "#" },
      { pattern: "(" },
    ]),
    merge: value,
    increment: { by: 1 },
    append: { items: [value.mark] },
    prefix: random.pick(["", "a", "open:"]),
    limit: random.pick([1, 1000, 0, "5", 1.5]),
    values: random.chance(0.5),
    expect: random.integer(0, 3),
    ttl: random.pick([1, 60, "keep", 0]),
    before: random.integer(0, 9),
  };
  // Mostly what some call takes.
  const set = random.pick([
    ["key"],
    ["key", "value"],
    ["keys"],
    ["operations"],
    ["key", "schema"],
    ["prefix", "limit", "values"],
    ["key", "merge"],
    ["key", "increment"],
    ["key", "append"],
  ]);
  const chosen = new Set([...set, ...(random.chance(0.15) ? [random.pick(Object.keys(fields))] : [])]);
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, field]) => {
      if (!chosen.has(name)) return [];
      return [[name, random.chance(0.03) ? random.pick(ODD) : field]];
    }),
  );
}

/** Cuts, repeats or changes some bytes. The result may still be valid, and then memX answers what it likes. */
function broken(random: Random, { parts }: FuzzFrame): FuzzFrame {
  const payload = Buffer.from(parts[0]?.[1] ?? "");
  const at = random.integer(0, payload.length - 1);
  if (random.chance(0.3)) return { parts: [[1, payload.subarray(0, at), true]], ids: [] };
  if (random.chance(0.3)) return { parts: [[1, Buffer.concat([payload, payload.subarray(at)]), true]], ids: [] };
  for (let n = random.integer(1, 4); n > 0; n--)
    payload[random.integer(0, payload.length - 1)] = random.integer(0, 255);
  return { parts: [[1, payload, true]], ids: [] };
}

function fragments({ parts, ids }: FuzzFrame, random: Random): FuzzFrame {
  const payload = parts[0]?.[1] as Buffer;
  const at = random.integer(0, payload.length);
  return {
    parts: [
      [1, payload.subarray(0, at), false],
      [0, payload.subarray(at), true],
    ],
    ids,
  };
}

function bytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.integer(0, 255)));
}
