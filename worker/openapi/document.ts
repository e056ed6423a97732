// The OpenAPI 3.1 document, put together from the same list of operations that routes check requests by.

import { version } from "../../package.json";
import { ERROR_STATUS, PING_INTERVAL_SECONDS } from "../../sdk/protocol.ts";
import { type ApiOperation, OPERATIONS } from "../request/operations.ts";
import { HEALTH_WARNINGS } from "../response/health-warnings.ts";
import {
  details,
  failures,
  type Json,
  json,
  object,
  onMcp,
  requestParts,
  revision,
  revisionHeader,
  ts,
} from "./parts.ts";
import { RESPONSES } from "./responses.ts";

/** Operations by path and method. */
const paths: Record<string, Record<string, Json>> = {};

for (const [operationId, operation] of Object.entries<ApiOperation>(OPERATIONS)) {
  const { method, path, tag, summary, description } = operation;
  paths[path] ??= {};
  paths[path][method] = {
    tags: [tag],
    operationId,
    summary,
    ...(description !== undefined && { description }),
    ...requestParts(operation),
    responses: responsesOf(operationId as keyof typeof OPERATIONS, operation),
  };
}

function responsesOf(id: keyof typeof OPERATIONS, { tag }: ApiOperation): Json {
  const responses = RESPONSES[id];
  if (tag !== "Values" && tag !== "Schemas") return responses;
  return { ...responses, 200: { ...(responses["200"] as Json), headers: revisionHeader } };
}

/** What needs no API key. */
const service = (operationId: string, summary: string, responses: Json, parameters?: readonly Json[]) => ({
  get: { tags: ["Service"], operationId, summary, security: [], ...(parameters && { parameters }), responses },
});

const text = { type: "string" };

const ready = {
  name: "ready",
  in: "query",
  required: false,
  allowEmptyValue: true,
  description:
    "Also requires that the store takes writes and that API keys can be checked. Otherwise 503, and `detail` says why.",
  schema: { enum: ["", "true"] },
};

export const openApiDocument = {
  openapi: "3.1.1",
  info: {
    title: "memX",
    version,
    description:
      "Real-time shared memory for teams of AI agents: JSON values under string keys, a JSON Schema per key, and a live feed of every change.",
    license: { name: "MIT", identifier: "MIT" },
  },
  servers: [{ url: "/" }],
  security: [{ apiKey: [] }, { bearer: [] }],
  tags: [
    { name: "Values", description: "Write and read JSON under a key." },
    { name: "Schemas", description: "Define what a key's values must look like." },
    {
      name: "Live",
      description: `Receive changes as they happen. On a WebSocket, send the text \`ping\` at least every ${PING_INTERVAL_SECONDS} seconds; memX returns \`pong\`. With the subprotocol \`memx.v1\`, and with server-sent events, \`ready\` says up to which revision memX has sent everything, and \`reset\` comes before a snapshot if the change log no longer reaches back to \`since\`. memX opens a refused WebSocket and closes it with 4401 (no API key), 4403 (not allowed), 4422 (not valid) or 4429 (too many).`,
    },
    { name: "Service", description: "memX itself." },
  ],
  paths: {
    ...paths,
    "/mcp": {
      post: {
        tags: ["Service"],
        operationId: "mcp",
        summary: "Speak the Model Context Protocol",
        description:
          "One JSON-RPC message of the Streamable HTTP transport: 2025-06-18, 2025-11-25 or 2026-07-28, without sessions. MCP clients call it; see docs/mcp.md.",
        requestBody: { required: true, content: { "application/json": { schema: { type: "object" } } } },
        responses: {
          200: {
            description: "The JSON-RPC response, alone or as a server-sent event.",
            content: { "application/json": { schema: { type: "object" } }, "text/event-stream": {} },
          },
          202: { description: "The notification was accepted." },
          400: json("A JSON-RPC error: this is no valid message.", { type: "object" }),
          404: json("A JSON-RPC error: there is no such method.", { type: "object" }),
          ...failures(...onMcp),
        },
      },
    },
    "/": service("home", "What this is: the dashboard for browsers, JSON for everything else", {
      200: json(
        "The service's name and version, and where to go next.",
        object({ name: { const: "memX" }, version: text, docs: text, openapi: text, health: text }),
      ),
    }),
    "/health": service(
      "health",
      "Check memX and its store",
      {
        200: json("Both respond.", {
          type: "object",
          required: ["status", "store", "version"],
          properties: {
            status: {
              description:
                "`ok`; `full` if the store has room only for writes that free some; `read_only` if it takes no writes. Reads work.",
              enum: ["ok", "full", "read_only"],
            },
            store: { enum: ["embedded", "redis"] },
            version: text,
            warnings: {
              description: "What the operator must mend. Absent if there is nothing.",
              type: "array",
              items: object({ code: { enum: Object.keys(HEALTH_WARNINGS) }, detail: text }),
            },
          },
        }),
        ...failures("store_unavailable", "auth_unavailable", "invalid_request", "internal"),
      },
      [ready],
    ),
    "/metrics": {
      get: {
        tags: ["Service"],
        operationId: "metrics",
        summary: "Read what this memX has counted since its start",
        description:
          "For Prometheus, in OpenMetrics if `Accept` names it. With the token of the setting METRICS_TOKEN, which is no API key.",
        security: [{ bearer: [] }],
        responses: {
          200: {
            description: "The metrics.",
            content: { "text/plain": {}, "application/openmetrics-text": {} },
          },
          ...failures("missing_api_key", "invalid_api_key", "not_found", "auth_unavailable", "internal"),
        },
      },
    },
    "/openapi.json": service("openApi", "This document", { 200: json("OpenAPI 3.1.", { type: "object" }) }),
    "/docs": service("docs", "The interactive reference", {
      200: { description: "A page.", content: { "text/html": {} } },
    }),
  },
  components: {
    securitySchemes: {
      apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
      bearer: { type: "http", scheme: "bearer" },
    },
    schemas: {
      Problem: {
        description: "RFC 9457 problem details. Branch on `code`; the other texts are for people and may change.",
        type: "object",
        required: ["type", "title", "status", "detail", "code"],
        properties: {
          type: { type: "string", format: "uri" },
          title: text,
          status: { type: "integer" },
          detail: text,
          code: { enum: Object.keys(ERROR_STATUS) },
          errors: {
            description: "Each thing that is wrong: where (JSON Pointer) and what.",
            type: "array",
            items: object({ path: text, message: text }),
          },
          current: {
            description:
              "For a `conflict` with `expect`: what the key holds, null for nothing. Absent if the API key must not read it.",
            type: ["object", "null"],
            required: ["ts", "revision"],
            properties: { value: {}, schema: { type: ["object", "boolean"] }, ts, revision, ...details },
          },
        },
      },
    },
  },
} as const;
