// Random requests, sensible ones and ones that no client should send: routes, methods, headers, bodies, keys and
// tokens.

import type { Random } from "../support/random.ts";
import { KEYS, markOf, TENANTS, type Tenant } from "./tenants.ts";

export type FuzzRequest = {
  readonly tenant: Tenant;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
};

const METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE"] as const;
const PATHS = [
  ...[
    "/set",
    "/get",
    "/delete",
    "/patch",
    "/batch",
    "/read",
    "/keys",
    "/history",
    "/schema",
    "/subscribe",
    "/watch",
    "/changes",
    "/whoami",
  ],
  ...[
    "/health",
    "/openapi.json",
    "/docs",
    "/docs/start.js",
    "/docs/../set",
    "/",
    "//",
    "/get/",
    "/GET",
    "/%67et",
    "/nowhere",
  ],
];
const NAMES = [
  "key",
  "pattern",
  "event",
  "since",
  "wait",
  "limit",
  "before",
  "prefix",
  "cursor",
  "values",
  "__proto__",
  "x",
];

/** More than half of all requests are nearly valid, so that they reach the code behind the checks. */
export function randomRequest(random: Random): FuzzRequest {
  const tenant = random.pick(TENANTS);
  const headers: Record<string, string> = {};
  addKey(random, tenant, headers);
  const { method, path, body } = random.chance(0.6)
    ? sensible(random, tenant, headers)
    : anything(random, tenant, headers);
  addNoise(random, headers);
  return { tenant, method, path, headers, body };
}

const keyOf = (random: Random) => (random.chance(0.97) ? random.pick(KEYS) : text(random));

function addKey(random: Random, { apiKey }: Tenant, headers: Record<string, string>): void {
  if (apiKey === undefined) {
    const tokens = [
      "",
      "local_dev_key",
      "fuzz-key",
      "__proto__",
      "fuzz-key-of-a ,fuzz-key-of-b",
      '"',
      "é",
      "x".repeat(4_000),
    ];
    if (random.chance(0.7)) headers["x-api-key"] = latin1(random.pick(tokens));
    if (random.chance(0.2))
      headers.authorization = latin1(`${random.pick(["Bearer", "Basic", ""])} ${random.pick(tokens)}`);
    if (random.chance(0.2))
      headers["sec-websocket-protocol"] = `memx.v1, memx.key.${latin1(text(random)).replace(/[^!-~]/g, "")}`;
  } else if (random.chance(0.7)) headers["x-api-key"] = apiKey;
  else if (random.chance(0.5)) headers.authorization = `Bearer ${apiKey}`;
  else headers["sec-websocket-protocol"] = `memx.v1, memx.key.${Buffer.from(apiKey).toString("base64url")}`;
}

function sensible(random: Random, tenant: Tenant, headers: Record<string, string>) {
  const key = keyOf(random);
  const encoded = encodeURIComponent(key.toWellFormed());
  const json = (body: object) => {
    headers["content-type"] = "application/json";
    return Buffer.from(JSON.stringify(body));
  };
  const value = { mark: markOf(tenant, key), n: random.integer(0, 9) };
  const get = (path: string) => ({ method: "GET", path, body: undefined });
  const post = (path: string, body: object) => ({ method: "POST", path, body: json(body) });
  const pattern = encodeURIComponent(
    random.pick(["*", "*:*", "bbbbbbbb:*", "aaaaaaaa*", "[!x]*", "open:*", key.toWellFormed()]),
  );
  const since = random.pick(["", "&since=0", "&since=1", `&since=${Date.now()}`]);
  if (random.chance(0.3)) headers["idempotency-key"] = random.pick(["1", "2", "3", "4"]);
  switch (random.integer(0, 12)) {
    case 0:
    case 1:
    case 2:
      return post("/set", { key, value });
    case 3:
      return get(`/get?key=${encoded}`);
    case 4: {
      const schema = { title: markOf(tenant, key), type: random.pick(["object", "string", "nope"]) };
      return random.chance(0.5) ? post("/schema", { key, schema }) : get(`/schema?key=${encoded}`);
    }
    case 5:
      return { method: "DELETE", path: `/schema?key=${encoded}`, body: undefined };
    case 6:
      return get(`/history?key=${encoded}&limit=${random.integer(0, 20)}`);
    case 7:
      return get(`/changes?pattern=${pattern}&since=${random.pick(["0", "1"])}&wait=${random.pick(["0", "1"])}`);
    case 8:
      headers.accept = "text/event-stream";
      return get(random.chance(0.5) ? `/watch?pattern=${pattern}${since}` : `/subscribe/${encoded}?event=all${since}`);
    case 9:
      headers.upgrade = "websocket";
      return get(random.chance(0.5) ? `/watch?pattern=${pattern}${since}` : `/subscribe/${encoded}?event=all${since}`);
    case 10:
      if (random.chance(0.3)) {
        headers["content-type"] = "application/merge-patch+json";
        return { method: "POST", path: `/patch?key=${encoded}`, body: Buffer.from(JSON.stringify(value)) };
      }
      return post(random.pick(["/delete", "/patch"]), { key, ...(random.chance(0.5) && { merge: value }) });
    case 11:
      return post("/read", { keys: [key, random.pick(KEYS), keyOf(random)] });
    default:
      return random.chance(0.5)
        ? get(`/keys?prefix=${encoded}&values=true`)
        : post("/batch", { operations: [{ op: "set", key, value }] });
  }
}

function anything(random: Random, tenant: Tenant, headers: Record<string, string>) {
  const base = random.chance(0.8) ? random.pick(PATHS) : `/subscribe/${encode(keyOf(random))}`;
  const query = Array.from({ length: random.integer(0, 4) }, () => {
    const name = random.chance(0.9) ? random.pick(NAMES) : text(random);
    const value = random.pick([keyOf(random), text(random), String(random.integer(-1, 1_000)), "0", "*", "value"]);
    return random.chance(0.8) ? `${encode(name)}=${encode(value)}` : `${raw(name)}=${raw(value)}`;
  });
  const method = random.pick(METHODS);
  if (random.chance(0.2)) headers.upgrade = random.pick(["websocket", "WebSocket", "h2c"]);
  if (random.chance(0.2)) headers.accept = random.pick(["text/event-stream", "*/*", ""]);
  if (random.chance(0.6))
    headers["content-type"] = random.pick([
      "application/json",
      "application/json-patch+json",
      "application/merge-patch+json",
      "text/plain",
      "application/json; charset=utf-8",
      "",
    ]);
  return {
    method,
    path: base + (query.length > 0 ? `?${query.join("&")}` : ""),
    body: method === "GET" || method === "HEAD" || method === "TRACE" ? undefined : randomBody(random, tenant),
  };
}

function randomBody(random: Random, tenant: Tenant): Buffer {
  const key = keyOf(random);
  const mark = JSON.stringify(markOf(tenant, key));
  const name = JSON.stringify(key.toWellFormed());
  const depth = random.integer(1, 2_000);
  const bodies = [
    () => `{"key":${name},"value":${mark}}`,
    () => `{"key":${name},"value":${mark},"extra":1}`,
    () => `{"key":${name},"key":"b","value":${mark}}`,
    () => `{"key":${name},"value":${"[".repeat(depth)}${mark}${"]".repeat(depth)}}`,
    () => `{"key":${name},"value":1e${random.integer(300, 400)}}`,
    () => `{"key":"\\ud800","value":${mark}}`,
    () => `{"key":${random.integer(-1, 1)},"value":null}`,
    () => `{"key":${name},"schema":{"type":${random.pick(["[]", "{}", "1", '"object"', "null"])},"title":${mark}}}`,
    () => `{"key":${name},"schema":{"$ref":"#","pattern":"(a+)+$","title":${mark}}}`,
    () => `{"__proto__":{"key":"a"},"key":${name},"value":${mark}}`,
    () => `\ufeff{"key":${name},"value":${mark}}`,
    () => "x".repeat(random.pick([1, 1_000, 70_000])),
    () => `{"key":${name},"value":"${"x".repeat(random.pick([1_000, 262_144, 1_200_000]))}"}`,
    () => "",
    () => "null",
  ];
  // Few large bodies, because they would dominate the run.
  const body = Buffer.from(random.pick(random.chance(0.95) ? bodies.slice(0, -4) : bodies)());
  if (random.chance(0.15) && body.length > 0) body[random.integer(0, body.length - 1)] = random.integer(0, 255);
  return random.chance(0.1) ? body.subarray(0, random.integer(0, body.length)) : body;
}

function addNoise(random: Random, headers: Record<string, string>): void {
  const noise: [string, string[]][] = [
    ["x-request-id", ["1", "x".repeat(300), "<script>", "a b"]],
    ["origin", ["https://page.example", "null", "x"]],
    ["last-event-id", ["0", "1", "-1", "x", "99999999999999999999"]],
    ["idempotency-key", ["1", "", "a b", "x".repeat(300)]],
    ["content-encoding", ["gzip", "identity", "x"]],
    ["access-control-request-method", ["POST", "x"]],
    ["cf-connecting-ip", ["127.0.0.1", "x"]],
    ["memx-join", ["e30=", "x"]],
    ["sec-websocket-version", ["13", "8", "x"]],
    ["range", ["bytes=0-1", "x"]],
  ];
  for (const [name, values] of noise) if (random.chance(0.04)) headers[name] = random.pick(values);
}

function text(random: Random): string {
  const characters = ["a", "\0", "\n", "\ud800", "\u{10FFFF}", "%", "/", "é", "*", ":", "é", " ", "\u202e", "{"];
  return Array.from({ length: random.integer(0, 12) }, () => random.pick(characters)).join("");
}

/** Encodes a part for a URL; `raw` encodes it wrongly on purpose. */
const encode = (part: string) => encodeURIComponent(part.toWellFormed());
const raw = (part: string) =>
  part.replace(/[^!-~]|#/g, (character) => `%${(character.charCodeAt(0) & 0xff).toString(16)}`);
/** Encodes a part for a header. */
const latin1 = (part: string) =>
  Buffer.from(part)
    .toString("latin1")
    .replace(/\p{Cc}/gu, "");
