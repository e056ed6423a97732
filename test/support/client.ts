// An HTTP client for tests: what an agent would send, with full control of the JSON text on the way.

import { exports } from "cloudflare:workers";
import { expect, inject } from "vitest";
import { ERROR_STATUS, type ErrorCode, type Problem } from "../../sdk/protocol.ts";

import { sendOverSocket } from "./socket-transport.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** How tests send the calls that a socket has too. */
    transport: "http" | "socket";
  }
}

export type Written = {
  readonly ok: boolean;
  readonly updated: boolean;
  readonly revision: number;
  readonly ts: number;
};

export type RequestOptions = {
  /** Sent as it is; a JSON content-type goes with it unless `headers` has another, or `null` for none. */
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string | null>>;
  /** `null` for none. @default "local_dev_key" */
  readonly apiKey?: string | null;
};

export const freshKey = () => `test:${crypto.randomUUID()}`;

/** Over HTTP, or over a socket where the project says so and a socket has the call. */
export async function request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  const answer = inject("transport") === "socket" ? await sendOverSocket(method, path, options) : undefined;
  return answer ?? sendOverHttp(method, path, options);
}

function sendOverHttp(
  method: string,
  path: string,
  { body, headers = {}, apiKey = "local_dev_key" }: RequestOptions,
): Promise<Response> {
  const all = { "x-api-key": apiKey, ...(body !== undefined && { "content-type": "application/json" }), ...headers };
  const sent = new Headers(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null));
  // As bytes, because a text would bring a content-type of its own.
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return exports.default.fetch(
    new Request(`http://memx${path}`, { method, headers: sent, ...(bytes !== undefined && { body: bytes }) }),
  );
}

/** Writes the JSON text as the key's value. */
export async function setText(key: string, value: string): Promise<Written> {
  return ok(await request("POST", "/set", { body: `{"key":${JSON.stringify(key)},"value":${value}}` }));
}

export function set(key: string, value: unknown): Promise<Written> {
  return setText(key, JSON.stringify(value));
}

/** Sends a JSON body, whatever comes of it. */
export function post(path: string, body: object, options: RequestOptions = {}): Promise<Response> {
  return request("POST", path, { ...options, body: JSON.stringify(body) });
}

/** The answer of a call that has to succeed. */
export async function answer<T = Written>(response: Promise<Response>): Promise<T> {
  return ok<T>(await response);
}

async function ok<T>(response: Response): Promise<T> {
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text);
}

export async function setSchema(key: string, schema: unknown): Promise<{ ok: boolean; revision: number }> {
  return ok(await request("POST", "/schema", { body: JSON.stringify({ key, schema }) }));
}

export async function deleteSchema(key: string): Promise<{ ok: boolean; revision: number }> {
  return ok(await request("DELETE", `/schema?key=${encodeURIComponent(key)}`));
}

/** The whole answer of a read, as text. */
export async function get(key: string): Promise<string> {
  const response = await request("GET", `/get?key=${encodeURIComponent(key)}`);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return text;
}

/** The text of the key's value, or `null` where the key holds nothing. */
export async function getText(key: string): Promise<string | null> {
  const answer = await get(key);
  return answer === "null" ? null : answer.slice('{"value":'.length, answer.lastIndexOf(',"ts":'));
}

/** The failure that a response tells of. Fails unless it is told as every failure is. */
export async function problem(response: Response, code: ErrorCode): Promise<Problem> {
  const text = await response.text();
  expect(response.headers.get("content-type"), text).toBe("application/problem+json");
  const told = JSON.parse(text) as Problem;
  const [status, title] = ERROR_STATUS[code];
  expect(told).toMatchObject({ type: `urn:memx:error:${code}`, title, status, code });
  expect(told.detail).toMatch(/\S/);
  expect(response.status).toBe(status);
  return told;
}
