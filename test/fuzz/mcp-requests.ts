// Random MCP messages: tool calls with sensible arguments, with arguments that no model should send, and messages that are none.

import type { ToolDefinition } from "../../sdk/tools.ts";
import type { Random } from "../support/random.ts";
import { KEYS, markOf, TENANTS, type Tenant } from "./tenants.ts";

export type McpFuzzRequest = {
  readonly tenant: Tenant;
  /** The tool that a well-formed message calls. */
  readonly tool?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "fuzz", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

const METHODS = [
  ...["initialize", "ping", "tools/list", "resources/list", "resources/templates/list", "resources/read"],
  ...["prompts/list", "prompts/get", "server/discover", "subscriptions/listen", "completion/complete", "__proto__", ""],
];

export function randomMcpRequest(random: Random, tools: readonly ToolDefinition[]): McpFuzzRequest {
  const tenant = random.pick(TENANTS);
  const isModern = random.chance(0.5);
  const kind = random.number(0, 1);
  if (kind < 0.8) return toolCall(random, tenant, random.pick(tools), isModern);
  const params: Record<string, unknown> = isModern ? { _meta: META } : {};
  const method = random.pick(METHODS);
  const uri = random.pick([
    `memx://kv/${encodeURIComponent(keyOf(random).toWellFormed())}`,
    `memx://kv/${keyOf(random)}`,
    "memx:",
    "x",
  ]);
  if (method === "resources/read") params.uri = random.chance(0.9) ? uri : anything(random, 2);
  if (method === "prompts/get") params.name = random.pick(["join_team", "x", "__proto__"]);
  if (random.chance(0.2)) params[random.pick(["cursor", "arguments", "name", "_meta", "x"])] = anything(random, 3);
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: id(random), method, params }));
  const headers = headersOf(random, tenant, isModern, method, typeof params.uri === "string" ? params.uri : undefined);
  return { tenant, headers, body: random.chance(0.3) ? broken(random, body) : body };
}

function toolCall(random: Random, tenant: Tenant, { name, inputSchema }: ToolDefinition, isModern: boolean) {
  const key = keyOf(random);
  const args: Record<string, unknown> = { key, ...sensible(random, tenant, name, key) };
  // Most calls are nearly right, so that they reach the code behind the checks.
  const names = [...Object.keys(inputSchema.properties), "__proto__", "x"];
  while (random.chance(0.25)) define(args, random.pick(names), anything(random, 3));
  if (random.chance(0.1)) delete args[random.pick(Object.keys(args))];
  const params = {
    ...(isModern && { _meta: META }),
    name,
    arguments: random.chance(0.97) ? args : anything(random, 2),
  };
  const text = JSON.stringify({ jsonrpc: "2.0", id: id(random), method: "tools/call", params });
  // Numbers that JavaScript would not keep.
  const body = Buffer.from(random.chance(0.1) ? text.replace(/:\d+/, `:${random.pick(NUMBERS)}`) : text);
  const headers = headersOf(random, tenant, isModern, "tools/call", name);
  return { tenant, tool: name, headers, body };
}

const NUMBERS = ["9007199254740993", "1e400", "-0", "1.0", "-1e-400", "00", "1e308", "123456789012345678901234567890"];

function sensible(random: Random, tenant: Tenant, tool: string, key: string): object {
  const value = { mark: markOf(tenant, key), n: random.integer(0, 9), list: [] };
  const revision = random.pick([0, 1, Date.now()]);
  switch (tool) {
    case "memx_list":
      return {
        key: undefined,
        prefix: random.pick(["", key, "a", "open:"]),
        values: true,
        limit: random.integer(1, 200),
      };
    case "memx_wait":
      return { key: undefined, patterns: [random.pick(["*", key, "*:*", "open:*"])], since: 0, seconds: 1 };
    case "memx_set":
      return { value: random.chance(0.9) ? value : { ...value, big: "x".repeat(random.pick([40_000, 300_000])) } };
    case "memx_merge":
      return { changes: value };
    case "memx_append":
      return { items: [value.mark], path: "/list", limit: 20 };
    case "memx_increment":
      return { by: random.pick([1, -1, 0.5]), path: random.pick(["/n", "/x/y", "/mark"]) };
    case "memx_claim":
      return { holder: value.mark, seconds: 5, ...(random.chance(0.2) && { token: revision + 1 }) };
    case "memx_release":
      return { token: revision + 1 };
    default:
      return random.chance(0.1) && tool === "memx_delete" ? { expect: revision } : {};
  }
}

const keyOf = (random: Random) => (random.chance(0.97) ? random.pick(KEYS) : text(random));

const id = (random: Random) => random.pick<unknown>([1, "a", 0, -1, 1.5]);

/** As JSON.parse does: `__proto__` is a name like any other. */
function define(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

function anything(random: Random, depth: number): unknown {
  const simple = [null, true, false, 0, -1, 1.5, 1e21, 2 ** 53, "", "*", "/", "/a/0", "a", [], {}];
  if (depth === 0 || random.chance(0.6)) return random.chance(0.8) ? random.pick<unknown>(simple) : text(random);
  if (random.chance(0.3)) return Array.from({ length: random.integer(0, 20) }, () => anything(random, depth - 1));
  if (random.chance(0.1)) return nested(random.integer(1, 90));
  const object = {};
  const names = ["key", "token", "__proto__", "constructor", "toString", text(random)];
  for (let n = random.integer(0, 3); n > 0; n--) define(object, random.pick(names), anything(random, depth - 1));
  return object;
}

function nested(depth: number): unknown {
  let value: unknown = 0;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

function text(random: Random): string {
  const characters = [
    "a",
    "\0",
    "\n",
    "\ud800",
    "\u{10FFFF}",
    "%",
    "/",
    "é",
    "*",
    ":",
    "~",
    "~1",
    " ",
    "\u202e",
    "{",
    "[",
    "`",
  ];
  return Array.from({ length: random.integer(0, 12) }, () => random.pick(characters)).join("");
}

/** A message that is cut, damaged or replaced. */
function broken(random: Random, body: Buffer): Buffer {
  const bytes = Buffer.from(body);
  switch (random.integer(0, 4)) {
    case 0:
      return bytes.subarray(0, random.integer(0, bytes.length));
    case 1:
      bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255);
      return bytes;
    case 2:
      return Buffer.from(`[${bytes},${bytes}]`);
    case 3:
      return Buffer.from(JSON.stringify(anything(random, 3)) ?? "null");
    default:
      return Buffer.from(
        bytes.toString().replace('"2.0"', random.pick(['"1.0"', "2", "null", '"2.0","jsonrpc":"2.0"'])),
      );
  }
}

function headersOf(random: Random, { apiKey }: Tenant, isModern: boolean, method: string, name?: string) {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    ...(isModern && { "mcp-protocol-version": "2026-07-28", "mcp-method": method }),
    ...(isModern && name !== undefined && /^[!-~]+$/.test(name) && { "mcp-name": name }),
  };
  if (apiKey === undefined) headers["x-api-key"] = random.pick(["", "local_dev_key", "fuzz-key", "__proto__"]);
  else if (random.chance(0.7)) headers["x-api-key"] = apiKey;
  else headers.authorization = `Bearer ${apiKey}`;
  const noise: [string, string[]][] = [
    ["content-type", ["text/plain", "application/json; charset=utf-8", "application/json-rpc"]],
    ["accept", ["application/json", "*/*", "text/plain"]],
    ["origin", ["https://page.example", "null", "http://127.0.0.1", "x"]],
    ["mcp-protocol-version", ["2025-06-18", "2024-11-05", "x", "2026-07-28"]],
    ["mcp-session-id", ["x"]],
    ["mcp-method", ["tools/list", "x"]],
    ["content-encoding", ["gzip"]],
    ["last-event-id", ["1"]],
  ];
  for (const [header, values] of noise) if (random.chance(0.02)) headers[header] = random.pick(values);
  return headers;
}
