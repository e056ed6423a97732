// The grammar of a hostile caller: requests that memX accepts and that cost it much more than they cost the caller.
// Each kind names what it spends. It is deliberately not about invalid requests; requests.ts has those.

import type { Random } from "../support/random.ts";

export type ExpensiveRequest = {
  readonly kind: string;
  readonly method: "GET" | "HEAD" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /**
   * What the caller does with the response: `read` reads all of it; `abandon` closes the connection at a random moment;
   * `hold` keeps the connection open and reads nothing.
   */
  readonly manner: "read" | "abandon" | "hold";
};

type Draft = Omit<ExpensiveRequest, "kind" | "headers"> & { readonly headers?: Readonly<Record<string, string>> };

const BATCH = 100;
const BIG_KEYS = 40;
/** Just below the limit of a value, 262,144 bytes. */
const BIG_CHARS = 262_000;
const SCHEMA_KEYS = 100;
/** Just below the limit of a schema, 65,536 bytes. */
const SCHEMA_CHARS = 59_000;
/** A key that hostile globs almost match, again and again. */
const NEARLY = "a".repeat(500);

const get = (path: string, manner: Draft["manner"] = "read"): Draft => ({ method: "GET", path, manner });
const post = (path: string, body: unknown, headers: Draft["headers"] = {}): Draft => ({
  method: "POST",
  path,
  body: JSON.stringify(body),
  headers: { "content-type": "application/json", ...headers },
  manner: "read",
});
const set = (key: string, value: unknown, more: object = {}) => ({ op: "set", key, value, ...more });
const batch = (operation: (n: number) => object, count = BATCH) =>
  post("/batch", { operations: Array.from({ length: count }, (_, n) => operation(n)) });

const bigKey = (random: Random) => `big:${random.integer(0, BIG_KEYS - 1)}`;
const schemaKey = (n: number) => `schema:${n}`;

/** A new value each time, so that no cache helps. */
const bigValue = (random: Random, chars = BIG_CHARS) =>
  `${random.integer(0, 2 ** 31)}${"x".repeat(random.integer(chars >> 1, chars - 16))}`;

const KINDS: Readonly<Record<string, (random: Random) => Draft>> = {
  "a schema": (random) =>
    post("/schema", { key: schemaKey(random.integer(0, SCHEMA_KEYS - 1)), schema: expensiveSchema(random) }),
  "a batch of values with schemas": (random) => {
    const value = checkedValue(random);
    return batch((n) => set(schemaKey(n), value));
  },
  "a value with a schema": (random) =>
    post("/set", { key: schemaKey(random.integer(0, SCHEMA_KEYS - 1)), value: checkedValue(random) }),
  "a big value": (random) => post("/set", { key: bigKey(random), value: bigValue(random) }),
  "a batch of many bytes": (random) => {
    const value = "y".repeat(random.integer(5_000, 9_500));
    const first = random.integer(0, 19) * BATCH;
    return batch((n) => set(`many:${first + n}`, value));
  },
  "a join with a snapshot": (random) => {
    const since = random.pick(["0", "0", "1", String(Number.MAX_SAFE_INTEGER - 1)]);
    const pattern = random.pick(["*", "none:*", "big:*", "*a*b*c*d*e*f*"]);
    const event = random.pick(["value", "schema", "all"]);
    const query = `pattern=${encodeURIComponent(pattern)}&since=${since}&event=${event}`;
    if (random.chance(0.5)) return get(`/changes?${query}`, random.pick(["read", "read", "abandon"]));
    return stream(random, `/watch?${query}`, random.pick(["abandon", "hold"]));
  },
  "hostile globs": (random) => {
    const glob = `${"*a".repeat(random.integer(40, 90))}*b`;
    const query = Array.from({ length: 60 }, () => `pattern=${encodeURIComponent(glob)}`).join("&");
    return stream(random, `/watch?${query}`, "hold");
  },
  "a change for hostile globs": (random) =>
    batch((n) => set(NEARLY.slice(0, random.integer(300, 490)) + String(n), n), random.integer(1, BATCH)),
  "a socket that does not read": (random) =>
    stream(random, random.chance(0.5) ? `/subscribe/${bigKey(random)}?event=all` : "/watch?pattern=*", "hold"),
  "an abandoned stream": (random) =>
    stream(random, `/subscribe/${random.chance(0.5) ? `fresh:${random.integer(0, 2 ** 31)}` : "big:0"}`, "abandon"),
  "a HEAD of a stream": (random) => ({
    ...stream(random, "/watch?pattern=*&since=0", "read"),
    method: "HEAD",
    headers: { accept: "text/event-stream" },
  }),
  "a long poll": (random) => get("/changes?pattern=none:*&wait=25", random.pick(["abandon", "hold"])),
  "an idempotent patch": (random) =>
    post(
      "/patch",
      { key: `patched:${random.integer(0, 3)}`, append: { items: [bigValue(random, 2_000)], limit: 120 } },
      { "idempotency-key": String(random.number(0, 1)) },
    ),
  "an idempotent batch": (random) => ({
    ...batch((n) => set(`once:${n}`, n)),
    headers: { "content-type": "application/json", "idempotency-key": String(random.number(0, 1)) },
  }),
  "values that expire together": (random) => {
    const first = random.integer(0, 399) * BATCH;
    return batch((n) => set(`expires:${first + n}`, n, { ttl: 1 + (Math.floor(Date.now() / 1000) % 5) }));
  },
  "deletes in a batch": (random) => {
    const [prefix, first] = random.pick([
      ["many", random.integer(0, 19) * BATCH],
      ["expires", random.integer(0, 399) * BATCH],
    ] as const);
    return batch((n) => ({ op: "delete", key: `${prefix}:${first + n}` }));
  },
  "a scan of the keys": (random) => {
    const prefix = random.pick(["", "expires:", "many:", "none:", "a"]);
    return get(`/keys?prefix=${prefix}&limit=1000&values=${random.pick(["true", "false"])}`);
  },
  "a read of many values": (random) => {
    const first = random.integer(0, BIG_KEYS - 1);
    const keys = Array.from({ length: 16 }, (_, n) => `big:${(first + n) % BIG_KEYS}`);
    return post("/read", {
      keys: [...keys.slice(0, random.integer(1, 15)), ...Array.from({ length: 80 }, (_, n) => `many:${n}`)],
    });
  },
  "a history": (random) => get(`/history?key=${bigKey(random)}&limit=1000`, random.pick(["read", "abandon"])),
  "a patch that copies": (random) => {
    // The copies of a patch have at most a million characters, so that it is not refused.
    const half = "z".repeat(random.pick([1_000, 10_000, 120_000]));
    const key = `copied:${random.integer(0, 3)}`;
    const build = [{ op: "add", path: "", value: { half } }];
    const copies = Array.from({ length: Math.min(2_000, Math.floor(1_000_000 / half.length)) }, () => [
      { op: "copy", from: "/half", path: "/other" },
      { op: "remove", path: "/other" },
      { op: "test", path: "/half", value: half.slice(0, 100) + half.slice(100) },
    ]).map(([copy, remove, test], n) => (n < 3 ? [copy, remove, test] : [copy, remove]));
    return post("/patch", { key, patch: [...build, ...copies.flat()] });
  },
  "a patch of many steps": (random) => {
    const steps = Array.from({ length: random.integer(1_000, 8_000) }, (_, n) => ({
      op: "add",
      path: random.chance(0.9) ? "/0" : "/-",
      value: n,
    }));
    return post("/patch", { key: "steps", patch: [{ op: "add", path: "", value: [] }, ...steps] });
  },
  "an MCP call": (random) => {
    const [name, args] = random.pick<readonly [string, object]>([
      ["memx_list", { prefix: "", values: true, limit: 200 }],
      ["memx_list", { prefix: "none:", values: true, limit: 200 }],
      ["memx_get", { key: bigKey(random) }],
      ["memx_set", { key: schemaKey(random.integer(0, SCHEMA_KEYS - 1)), value: checkedValue(random) }],
      ["memx_append", { key: "patched:0", items: [bigValue(random, 2_000)], limit: 120 }],
      ["memx_wait", { patterns: ["*"], since: 0, seconds: 25 }],
      ["memx_wait", { patterns: ["none:*"], seconds: 25 }],
    ]);
    const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } };
    return {
      ...post("/mcp", message, { accept: "application/json, text/event-stream" }),
      manner: name === "memx_wait" ? "abandon" : "read",
    };
  },
  "a body of deep JSON": (random) => {
    const depth = random.integer(10, 60);
    const value = "[".repeat(depth) + "]".repeat(depth);
    const values = Array(Math.floor(250_000 / value.length))
      .fill(value)
      .join();
    return { ...post("/set", {}), body: `{"key":"deep","value":[${values}]}` };
  },
};

/** Every kind of request, in the order of the grammar. */
export const EXPENSIVE_KINDS: readonly string[] = Object.keys(KINDS);

export function expensiveRequest(random: Random, kinds: readonly string[] = EXPENSIVE_KINDS): ExpensiveRequest {
  return requestOf(random.pick(kinds), random);
}

/** What the other requests work on, once each: schemas, big values, and many keys. */
export function preparations(random: Random): ExpensiveRequest[] {
  const drafts: [string, Draft][] = [];
  for (let n = 0; n < SCHEMA_KEYS; n++) {
    drafts.push(["a schema", post("/schema", { key: schemaKey(n), schema: expensiveSchema(random) })]);
  }
  for (let n = 0; n < BIG_KEYS; n++) {
    drafts.push(["a big value", post("/set", { key: `big:${n}`, value: bigValue(random) })]);
  }
  return drafts.map(([kind, draft]) => ({ headers: {}, ...draft, kind }));
}

function requestOf(kind: string, random: Random): ExpensiveRequest {
  const draft = KINDS[kind];
  if (!draft) throw new Error(`No such kind of request: ${kind}`);
  return { headers: {}, ...draft(random), kind };
}

/** A WebSocket or server-sent events, as both hold a place in a channel. */
function stream(random: Random, path: string, manner: Draft["manner"]): Draft {
  const asSocket = { upgrade: "websocket", "sec-websocket-protocol": "memx.v1" };
  return { method: "GET", path, manner, headers: random.chance(0.5) ? asSocket : { accept: "text/event-stream" } };
}

/**
 * A schema that takes long to compile, or to check a value against. Every `checkedValue` matches it, so that a batch is
 * checked to its end. No two are the same text.
 */
function expensiveSchema(random: Random): object {
  const parts = <Part>(count: number, part: (n: number) => Part) => Array.from({ length: count }, (_, n) => part(n));
  const schema = random.pick<() => object>([
    () => ({ items: { anyOf: [...parts(1_900, (n) => ({ const: -n - 1 })), true] } }),
    () => ({ items: { allOf: parts(900, (n) => ({ not: { const: -n - 1 } })) } }),
    () => ({ items: { allOf: parts(1_900, (n) => ({ maximum: n + 1_000 })) } }),
    () => ({ uniqueItems: true, items: { not: { enum: parts(900, (n) => ({ n: -n - 1 })) } } }),
    () => ({ items: { allOf: parts(400, (n) => ({ pattern: `^(a|b|ab)*(c${n})?$` })) } }),
    () => ({ $defs: { d: { allOf: parts(1_900, () => ({ maxProperties: 1 })) } }, items: { $ref: "#/$defs/d" } }),
    () => ({ contains: { anyOf: [...parts(1_900, (n) => ({ const: -n - 1 })), true] }, minContains: 50 }),
  ])();
  // Now and then one that any budget allows.
  if (random.chance(0.1)) return { maxItems: random.integer(500, 1_000) };
  const properties: Record<string, object> = {};
  let chars = JSON.stringify(schema).length;
  for (let n = 0; chars < SCHEMA_CHARS; n++) {
    const part = { const: `${n} ${random.number(0, 1)}` };
    properties[`property${n}`] = part;
    chars += JSON.stringify(part).length + 20;
  }
  return { ...schema, properties };
}

/** Small to send: the checks are what costs. */
function checkedValue(random: Random): unknown[] {
  const length = random.integer(50, 200);
  return random.pick<() => unknown[]>([
    () => Array.from({ length }, (_, n) => n),
    () => Array.from({ length }, (_, n) => ({ n })),
    () => Array.from({ length }, (_, n) => "a".repeat(n >> 2) + "b".repeat(n % 4)),
  ])();
}
