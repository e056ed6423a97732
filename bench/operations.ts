// The operations whose rate the bench measures, each with its request on every contestant.

import { httpRequest } from "./connection.ts";
import { base64 } from "./contestants/etcd.ts";
import type { Load } from "./load.ts";

export type Call = Pick<Load, "request" | "check">;
export type ContestantName = "memX embedded" | "memX on Redis" | "floor" | "etcd";
export type Headers = Readonly<Record<string, string>>;

export type Operation = {
  readonly name: string;
  readonly what: string;
  readonly on: Readonly<Partial<Record<ContestantName, (headers: Headers) => Call>>>;
};

/** About as large as the values that agents share. */
export const value = (n: number) => ({ n, agent: "researcher", status: "done", note: "x".repeat(60) });
const KEYS = 100;
const PAGE = 100;
const CONNECTIONS_AT_MOST = 256;
const SCHEMA = {
  type: "object",
  required: ["n", "agent", "status"],
  properties: {
    n: { type: "integer", minimum: 0 },
    agent: { type: "string", minLength: 1, maxLength: 100 },
    status: { enum: ["open", "taken", "done"] },
    note: { type: "string", maxLength: 1000 },
  },
  additionalProperties: false,
};

let turn = 0;
/** Requests are built once, so that the load takes little processor time. */
const each = <T>(count: number, make: (n: number) => T) => Array.from({ length: count }, (_, n) => make(n));
export const includes = (text: string) => (body: string) => (body.includes(text) ? undefined : `${text} is missing`);
const post = (path: string, headers: Headers, body: unknown) => httpRequest("POST", path, headers, body);

/** Sends the requests in turn, on whichever connection is free. */
export function rotating(requests: readonly Buffer[], check: Call["check"]): Call {
  return { request: () => requests[turn++ % requests.length] as Buffer, check };
}

/** Sends one request per connection. */
function perConnection(requests: readonly Buffer[], check: Call["check"]): Call {
  return { request: (connection) => requests[connection] as Buffer, check };
}

export const updated = includes('"ok":true,"updated":true');
export const set = (key: string, headers: Headers) => post("/set", headers, { key, value: value(1) });
const bare = (path: string) => post(path, {}, { key: "bench:one", value: value(1) });
export const get = (key: string, headers: Headers) =>
  httpRequest("GET", `/get?key=${encodeURIComponent(key)}`, headers);
export const put = (key: string) =>
  post("/v3/kv/put", {}, { key: base64(key), value: base64(JSON.stringify(value(1))) });
export const range = (key: string) => post("/v3/kv/range", {}, { key: base64(key) });
export const names = each(KEYS, (n) => `bench:${n}`);

const memx = (call: (headers: Headers) => Call) => ({ "memX embedded": call, "memX on Redis": call });

export const OPERATIONS: readonly Operation[] = [
  {
    name: "set",
    what: "set, one key",
    on: {
      ...memx((headers) => rotating([set("bench:one", headers)], updated)),
      etcd: () => rotating([put("bench:one")], includes('"revision"')),
    },
  },
  {
    name: "get",
    what: "get, one key",
    on: {
      ...memx((headers) => rotating([get("bench:0", headers)], includes('"revision"'))),
      etcd: () => rotating([range("bench:0")], includes('"count":"1"')),
    },
  },
  {
    name: "set-schema",
    what: "set, one key with a schema",
    on: memx((headers) => rotating([set("bench:schema", headers)], updated)),
  },
  {
    name: "call",
    what: "bare Worker, one empty Durable Object call",
    on: { floor: () => rotating([bare("/call")], includes('"ok":true')) },
  },
  {
    name: "evalsha",
    what: "bare Worker, one EVALSHA",
    on: { floor: () => rotating([bare("/evalsha")], includes('"ok":true')) },
  },
  {
    name: "set-100",
    what: "set, 100 keys in turn",
    on: {
      ...memx((headers) =>
        rotating(
          names.map((name) => set(name, headers)),
          updated,
        ),
      ),
      etcd: () => rotating(names.map(put), includes('"revision"')),
    },
  },
  {
    name: "expect",
    what: "set that expects the last revision, one key per connection",
    on: memx((headers) => ({
      request(connection, last) {
        const revision = /"revision":(\d+)/.exec(last ?? "")?.[1];
        const expect = revision === undefined ? {} : { expect: Number(revision) };
        return post("/set", headers, { key: `bench:expect:${connection}`, value: value(1), ...expect });
      },
      check: updated,
    })),
  },
  {
    name: "batch",
    what: "batch of 10 sets",
    on: memx((headers) =>
      perConnection(
        each(CONNECTIONS_AT_MOST, (connection) =>
          post("/batch", headers, {
            operations: each(10, (n) => ({ op: "set", key: `bench:batch:${connection}:${n}`, value: value(n) })),
          }),
        ),
        (body) => (body.split('"updated":true').length === 11 ? undefined : "not 10 sets"),
      ),
    ),
  },
  {
    name: "patch",
    what: "increment, one key per connection",
    on: memx((headers) =>
      perConnection(
        each(CONNECTIONS_AT_MOST, (connection) =>
          post("/patch", headers, { key: `bench:patch:${connection}`, increment: { path: "/n", by: 1 } }),
        ),
        updated,
      ),
    ),
  },
  {
    name: "keys",
    what: "a page of 100 keys",
    on: {
      ...memx((headers) =>
        rotating([httpRequest("GET", `/keys?prefix=bench%3Apage%3A&limit=${PAGE}`, headers)], (body) =>
          body.split('"revision":').length === PAGE + 1 ? undefined : "not 100 keys",
        ),
      ),
      etcd: () =>
        rotating(
          [
            post(
              "/v3/kv/range",
              {},
              { key: base64("bench:page:"), range_end: base64("bench:page;"), limit: PAGE, keys_only: true },
            ),
          ],
          (body) => (body.split('"mod_revision":').length === PAGE + 1 ? undefined : "not 100 keys"),
        ),
    },
  },
];

/** Writes the data that the operations need. */
export async function prepare(name: ContestantName, port: number, headers: Headers): Promise<void> {
  const send = async (path: string, body: unknown) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${name} ${path}: ${await response.text()}`);
    await response.arrayBuffer();
  };
  const keys = [...names, ...each(10 * PAGE, (n) => `bench:page:${String(n).padStart(6, "0")}`)];
  if (name === "etcd") {
    for (const key of keys) await send("/v3/kv/put", { key: base64(key), value: base64(JSON.stringify(value(0))) });
  } else if (name !== "floor") {
    for (let from = 0; from < keys.length; from += 100) {
      const operations = keys.slice(from, from + 100).map((key) => ({ op: "set", key, value: value(0) }));
      await send("/batch", { operations });
    }
    await send("/schema", { key: "bench:schema", schema: SCHEMA });
  }
}
