// An MCP client for tests: one JSON-RPC message a request, with full control of its text.

import { exports } from "cloudflare:workers";
import { expect } from "vitest";
import type { JsonText } from "../../sdk/protocol.ts";
import type { RequestOptions } from "./client.ts";

/** Which revision of the protocol a client speaks. Later ones say so in every request. */
export const ERAS = ["2025-11-25", "2026-07-28"] as const;
export type Era = (typeof ERAS)[number];

export type Message = {
  readonly id?: unknown;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asks for
  readonly result?: any;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Record<string, unknown> };
};

export type McpOptions = Omit<RequestOptions, "body"> & { readonly era?: Era };

/** Sends a body as it is. */
export function sendMcp(body: string | Uint8Array, options: McpOptions = {}): Promise<Response> {
  const { apiKey = "local_dev_key", headers = {} } = options;
  const all = {
    "x-api-key": apiKey,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    ...headers,
  };
  const sent = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null);
  return exports.default.fetch(
    new Request("http://memx/mcp", { method: "POST", headers: sent, body: body as BodyInit }),
  );
}

/** The body and headers of a request. `params` is JSON text, so that a test decides about every digit. */
export function mcpRequest(method: string, params: JsonText, { era = "2025-11-25", ...options }: McpOptions = {}) {
  if (era === "2025-11-25")
    return { body: `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`, options };
  const meta = JSON.stringify({
    "io.modelcontextprotocol/protocolVersion": era,
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  });
  const { name, uri } = JSON.parse(params);
  const headers = {
    "mcp-protocol-version": era,
    "mcp-method": method,
    ...(name !== undefined && { "mcp-name": name }),
    ...(uri !== undefined && { "mcp-name": uri }),
    ...options.headers,
  };
  const rest = params === "{}" ? "" : `,${params.slice(1, -1)}`;
  const body = `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"_meta":${meta}${rest}}}`;
  return { body, options: { ...options, headers } };
}

/** The message of a response, which may be a server-sent event. */
export async function readMessage(response: Response): Promise<{ text: string; message: Message }> {
  const body = await response.text();
  const [, data = body] = /^data: (\{.*)$/m.exec(body) ?? [];
  return { text: data, message: JSON.parse(data) };
}

/** The answer to a request, as text too. */
export async function rpc(method: string, params: object | JsonText = {}, options: McpOptions = {}) {
  const text = typeof params === "string" ? params : JSON.stringify(params);
  const { body, options: sent } = mcpRequest(method, text, options);
  const response = await sendMcp(body, sent);
  return { status: response.status, ...(await readMessage(response)) };
}

/** The result of a method that has to succeed. */
export async function result(method: string, params: object | JsonText = {}, options: McpOptions = {}) {
  const { status, message, text } = await rpc(method, params, options);
  expect(status, text).toBe(200);
  expect(message.error, text).toBeUndefined();
  return message.result;
}

export type ToolResult = {
  readonly isError: boolean;
  /** The text of each block. */
  readonly texts: readonly string[];
  /** The first of them. */
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asks for
  readonly structured: any;
  /** The whole message, as it came. */
  readonly raw: string;
};

/** Calls a tool. `args` may be JSON text, so that a test decides about every digit. */
export async function callTool(
  name: string,
  args: object | JsonText = {},
  options: McpOptions = {},
): Promise<ToolResult> {
  const text = typeof args === "string" ? args : JSON.stringify(args);
  const params = `{"name":${JSON.stringify(name)},"arguments":${text}}`;
  const { status, message, text: raw } = await rpc("tools/call", params, options);
  expect(status, raw).toBe(200);
  expect(message.error, raw).toBeUndefined();
  const { content, structuredContent, isError = false } = message.result;
  const texts = content.map((block: { type: string; text: string }) => {
    expect(block.type).toBe("text");
    return block.text;
  });
  return { isError, texts, text: texts[0], structured: structuredContent, raw };
}

/** Calls a tool that has to succeed, and returns its structured content. */
export async function useTool(name: string, args: object | JsonText = {}, options: McpOptions = {}) {
  const called = await callTool(name, args, options);
  expect(called.isError, called.text).toBe(false);
  return called.structured;
}

/** Calls a tool that has to fail, and returns what it says. */
export async function failTool(name: string, args: object | JsonText = {}, options: McpOptions = {}): Promise<string> {
  const called = await callTool(name, args, options);
  expect(called.isError, called.raw).toBe(true);
  expect(called.structured).toBeUndefined();
  expect(called.texts).toHaveLength(1);
  return called.text;
}
