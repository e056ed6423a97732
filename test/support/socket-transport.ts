// Sends a test's HTTP request over a socket of calls if it can be one, so that the tests of HTTP are tests of GET /connect too.

import { expect } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { isLonger } from "../../memory/json-text.ts";
import { CLOSE_CODES, SOCKET_CALLS } from "../../sdk/protocol.ts";
import { connectCalls } from "./call-socket.ts";
import type { RequestOptions } from "./client.ts";

type Socket = Awaited<ReturnType<typeof connectCalls>>;

/** One for each API key. `undefined` once it has closed. */
const sockets = new Map<string, Promise<Socket> | undefined>();
const NAMES = new Map<string, string>(Object.entries(SOCKET_CALLS).map(([name, call]) => [call, name]));
let lastId = 1_000_000;

/** Headers of HTTP that a message has too. */
const MESSAGE_HEADERS = new Set(["idempotency-key", "x-memx-agent"]);

/**
 * Returns `undefined` for a request that by design is not a call of a socket, and for one with an API key that memX refuses: it
 * closes that socket, and HTTP says why.
 * @throws {Error} if the socket fails in any other way
 */
export async function sendOverSocket(
  method: string,
  path: string,
  options: RequestOptions,
): Promise<Response | undefined> {
  const { headers = {}, apiKey = "local_dev_key" } = options;
  const message = toMessage(method, path, options);
  if (message === undefined || apiKey === null) return undefined;
  const id = ++lastId;
  const given = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const [idempotency, agent] = [given.get("idempotency-key"), given.get("x-memx-agent")];
  const more = {
    call: message.call,
    ...(idempotency != null && { idempotency }),
    ...(agent != null && { agent }),
  };
  const frame = `{"id":${id},${JSON.stringify(more).slice(1, -1)},"body":${message.body}}`;
  // HTTP has room for a body of this size, and a frame has not.
  if (isLonger(frame, LIMITS.maxFrameBytes)) return undefined;
  const connection = await open(apiKey);
  if (!connection) return undefined;
  connection.socket.send(frame);
  const line = await Promise.race([connection.line(id), connection.closed.then(() => undefined)]);
  if (line === undefined) return fail(connection, `before it answered ${frame.slice(0, 200)}`);
  const parts = /^\{"id":\d+,"status":(\d+)(?:,"retry":([\d.]+))?(?:,"revision":(\d+))?,"body":(.*)\}$/s.exec(line);
  if (!parts) throw new Error(`not an answer: ${line.slice(0, 200)}`);
  const [, status, retry, revision, answer] = parts;
  return new Response(answer, {
    status: Number(status),
    headers: {
      "content-type": status === "200" ? "application/json" : "application/problem+json",
      ...(retry && { "retry-after": retry }),
      ...(revision && { "memx-revision": revision }),
    },
  });
}

/** The call that a request is, or `undefined` for what only HTTP has. */
function toMessage(
  method: string,
  path: string,
  { body, headers = {} }: RequestOptions,
): { call: string; body: string } | undefined {
  const [pathname = "", query = ""] = path.split("?");
  const call = NAMES.get(`${method} ${pathname}`);
  // Another path or method.
  if (call === undefined) return undefined;
  // Other headers: media types, encodings, and conditions of HTTP.
  if (Object.keys(headers).some((name) => !MESSAGE_HEADERS.has(name.toLowerCase()))) return undefined;
  // A query beside a body, or a body beside a query.
  if (method === "POST" ? query !== "" : body !== undefined) return undefined;
  const text = method === "POST" ? body : toBody(query);
  // Bytes, and text that is not JSON, which could say something else as part of a message.
  return typeof text === "string" && isJson(text) ? { call, body: text } : undefined;
}

/** Returns a socket that is open, because it responded to a ping, or `undefined` if memX refuses the API key. */
async function open(apiKey: string): Promise<Socket | undefined> {
  const connecting = sockets.get(apiKey) ?? connectCalls({ apiKey });
  sockets.set(apiKey, connecting);
  const connection = await connecting;
  let closed = false;
  void connection.closed.then(() => {
    closed = true;
    sockets.delete(apiKey);
  });
  const pongs = () => connection.texts.filter((text) => text === "pong").length;
  const before = pongs();
  // A socket that is closing takes no ping, and `closed` says why.
  if (connection.socket.readyState === WebSocket.OPEN) connection.socket.send("ping");
  await expect.poll(() => closed || pongs() > before, { interval: 2 }).toBe(true);
  return closed ? fail(connection, "before a call") : connection;
}

/** Returns `undefined` if memX refused the API key. */
async function fail({ closed }: Socket, when: string): Promise<undefined> {
  const { code, reason } = await closed;
  if (code === CLOSE_CODES.missing_api_key || code === CLOSE_CODES.invalid_api_key) return undefined;
  throw new Error(`The socket closed with ${code} (${reason}) ${when}`);
}

/** A query as a body, unless it says something that a body cannot. */
function toBody(query: string): string | undefined {
  try {
    const pairs = query === "" ? [] : query.split("&").map((pair) => pair.replaceAll("+", " ").split("="));
    const decoded = pairs.map(([name = "", ...value]) => [name, value.join("=")].map(decodeURIComponent));
    if (new Set(decoded.map(([name]) => name)).size < decoded.length) return undefined;
    return JSON.stringify(Object.fromEntries(decoded));
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
