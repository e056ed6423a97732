// One MCP request: reads the JSON-RPC message, and has the official server answer it. Stateless, so each request stands alone and
// any isolate can serve it.

import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";
import { type JsonDocument, JsonTextError, outline, parseJsonText } from "../../memory/json-text.ts";
import { log } from "../../memory/log.ts";
import type { AppContext } from "../app-env.ts";
import { decodeUtf8, readBytes, requireJson } from "../request/read-request.ts";
import { createMcpServer } from "./mcp-server.ts";
import type { ToolArguments } from "./tool.ts";

/** Objects of a message around an argument of a tool: the message, its `params`, and their `arguments`. */
const LEVELS_ABOVE_ARGUMENT = 3;

/** On a stream, only the next write shows that a client has left, and then its wait ends. */
const KEEP_ALIVE_MS = 5_000;

export async function serveMcp(c: AppContext): Promise<Response> {
  requireJson(c);
  const bytes = await readBytes(c);
  let document: JsonDocument;
  try {
    document = parseJsonText(decodeUtf8(bytes), { maxDepth: LIMITS.maxJsonDepth + LEVELS_ABOVE_ARGUMENT });
  } catch (error) {
    if (error instanceof JsonTextError) return rpcError(400, -32700, `The body ${error.message}.`);
    // The others are about the body.
    if (error instanceof ApiError && error.code !== "rate_limited") return rpcError(400, -32700, error.message);
    throw error;
  }
  const value = document.value as Partial<Record<"id" | "method", unknown>> | null;
  if (Array.isArray(value)) {
    // One request, one call, for the rate limit too.
    return rpcError(400, -32600, "The body must be one JSON-RPC message. memX does not take batches.");
  }
  if (value?.method === "subscriptions/listen") {
    // The SDK would acknowledge resources that the API key must not read. Agents call memx_wait.
    return rpcError(404, -32601, "Method not found", value.id);
  }

  const sdk = await import("./mcp-sdk.mjs");
  let failure: unknown;
  const handler = sdk.createMcpHandler(() => createMcpServer(sdk, c, argumentsOf(document)), {
    keepAliveMs: KEEP_ALIVE_MS,
    // Called for every refused request too, which is no failure of memX.
    onerror: (error) => {
      failure = error;
    },
  });
  const response = await handler.fetch(c.req.raw, { parsedBody: value });
  if (response.status >= 500) log("error", "internal", { cause: failure });
  // The SDK would let a cache keep a stream and ask again. memX says `no-store` in its place.
  response.headers.delete("cache-control");
  return response;
}

function argumentsOf({ value, members }: JsonDocument): ToolArguments {
  const { params } = value as { params?: { arguments?: unknown } };
  const text = outline(members.get("params") ?? "").members.get("arguments");
  return { parsed: params?.arguments, texts: outline(text ?? "").members };
}

function rpcError(status: number, code: number, message: string, id: unknown = null): Response {
  const known = typeof id === "string" || typeof id === "number" ? id : null;
  return Response.json({ jsonrpc: "2.0", id: known, error: { code, message } }, { status });
}
