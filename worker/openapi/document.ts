// The OpenAPI 3.1 document, put together from the same schemas that check requests.

import { version } from "../../package.json";
import { ERROR_STATUS } from "../../sdk/protocol.ts";
import {
  batchRequest,
  changesQuery,
  deleteRequest,
  historyQuery,
  keyQuery,
  keysQuery,
  patchRequest,
  schemaDeletionQuery,
  schemaRequest,
  setRequest,
  subscribeQuery,
  watchQuery,
} from "../request/shapes.ts";
import {
  body,
  change,
  failures,
  held,
  idempotencyKey,
  json,
  lastEventId,
  live,
  object,
  ok,
  onBody,
  onStore,
  onWrite,
  query,
  revision,
  stream,
  ts,
  updated,
} from "./parts.ts";

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
    { name: "Schemas", description: "What a key's values have to look like." },
    { name: "Live", description: "Changes as they happen." },
    { name: "Service", description: "memX itself." },
  ],
  paths: {
    "/set": {
      post: {
        tags: ["Values"],
        operationId: "set",
        summary: "Write a value",
        description: "The last write wins. The value has to match the key's schema, if it has one.",
        parameters: [idempotencyKey],
        requestBody: body(setRequest),
        responses: {
          200: json("Written.", object({ ok, updated, revision: held, ts })),
          ...failures(...onWrite),
        },
      },
    },
    "/delete": {
      post: {
        tags: ["Values"],
        operationId: "delete",
        summary: "Delete a value",
        description: "The key's schema stays.",
        parameters: [idempotencyKey],
        requestBody: body(deleteRequest),
        responses: {
          200: json(
            "Deleted, or nothing was there: then `deleted` is false, and `revision` 0.",
            object({ ok, deleted: { type: "boolean" }, revision: held }),
          ),
          ...failures(...onBody, "conflict"),
        },
      },
    },
    "/patch": {
      post: {
        tags: ["Values"],
        operationId: "patch",
        summary: "Change part of a value",
        description:
          "What others change at the same time is not undone. Numbers keep their digits. The API key has to be allowed to read and to write the key.",
        parameters: [idempotencyKey],
        requestBody: body(patchRequest),
        responses: {
          200: json(
            "Changed.",
            object({ ok, updated: ok, revision, ts, value: { description: "What the key holds now." } }),
          ),
          ...failures(...onWrite),
        },
      },
    },
    "/batch": {
      post: {
        tags: ["Values"],
        operationId: "batch",
        summary: "Write several keys, all or none",
        description:
          "Operations are done one after the other. What they expect is about what was there before the first.",
        parameters: [idempotencyKey],
        requestBody: body(batchRequest),
        responses: {
          200: json(
            "Done: for each operation what it would be answered alone, without `ok`.",
            object({
              ok,
              results: {
                type: "array",
                items: {
                  type: "object",
                  required: ["revision"],
                  properties: { updated, deleted: { type: "boolean" }, revision: held, ts },
                },
              },
            }),
          ),
          ...failures(...onWrite),
        },
      },
    },
    "/keys": {
      get: {
        tags: ["Values"],
        operationId: "keys",
        summary: "List the keys that hold a value",
        description:
          "In the order of their bytes, and only those that the API key may read. A page may have fewer keys than `limit`, and none, and still others follow: as long as `cursor` is not null.",
        parameters: query(keysQuery),
        responses: {
          200: json(
            "A page of keys, and what to pass as `cursor` for the next.",
            object({
              keys: {
                type: "array",
                items: {
                  type: "object",
                  required: ["key", "ts", "revision"],
                  properties: { key: { type: "string" }, ts, revision, value: {} },
                },
              },
              cursor: { type: ["string", "null"] },
            }),
          ),
          ...failures(...onStore),
        },
      },
    },
    "/get": {
      get: {
        tags: ["Values"],
        operationId: "get",
        summary: "Read a value",
        parameters: query(keyQuery),
        responses: {
          200: json("What the key holds, or null.", {
            oneOf: [object({ value: { description: "The JSON as it was written." }, ts, revision }), { type: "null" }],
          }),
          ...failures(...onStore),
        },
      },
    },
    "/schema": {
      post: {
        tags: ["Schemas"],
        operationId: "setSchema",
        summary: "Set a key's schema",
        description: "It applies to every later write. The value that is already there stays as it is.",
        parameters: [idempotencyKey],
        requestBody: body(schemaRequest),
        responses: {
          200: json("Set.", object({ ok, revision })),
          ...failures(...onBody, "invalid_schema", "conflict", "quota_exceeded"),
        },
      },
      get: {
        tags: ["Schemas"],
        operationId: "getSchema",
        summary: "Read a key's schema",
        parameters: query(keyQuery),
        responses: {
          200: json(
            "The schema.",
            object({ key: { type: "string" }, schema: { type: ["object", "boolean"] }, revision }),
          ),
          ...failures(...onStore, "not_found"),
        },
      },
      delete: {
        tags: ["Schemas"],
        operationId: "deleteSchema",
        summary: "Delete a key's schema",
        parameters: [...query(schemaDeletionQuery), idempotencyKey],
        responses: {
          200: json("Deleted.", object({ ok, revision })),
          ...failures(...onStore, "not_found", "conflict"),
        },
      },
    },
    "/history": {
      get: {
        tags: ["Values"],
        operationId: "history",
        summary: "Read a key's last changes",
        description:
          "Newest first, as far back as the log of the namespace reaches. Large changes come a few at a time.",
        parameters: query(historyQuery),
        responses: {
          200: json(
            "The changes, and what to pass as `before` for more.",
            object({ changes: { type: "array", items: change }, cursor: { type: ["integer", "null"] } }),
          ),
          ...failures(...onStore),
        },
      },
    },
    "/subscribe/{key}": {
      get: {
        tags: ["Live"],
        operationId: "subscribe",
        summary: "Receive a key's changes",
        description: live,
        parameters: [...query(subscribeQuery, "key"), lastEventId],
        responses: stream,
      },
    },
    "/watch": {
      get: {
        tags: ["Live"],
        operationId: "watch",
        summary: "Receive the changes of all keys that match a glob",
        description: `${live} Only keys that the API key may read.`,
        parameters: [...query(watchQuery), lastEventId],
        responses: stream,
      },
    },
    "/changes": {
      get: {
        tags: ["Live"],
        operationId: "changes",
        summary: "Wait for changes",
        description:
          "A long poll: answers at once what came after `since`, or waits for the next change. Ask again with the `revision` of the answer. With `reset`, forget what you have: the changes are all that is held.",
        parameters: query(changesQuery),
        responses: {
          200: json(
            "The changes, which may be none.",
            object({ changes: { type: "array", items: change }, revision, reset: { type: "boolean" } }),
          ),
          ...failures(...onStore),
        },
      },
    },
    "/": {
      get: {
        tags: ["Service"],
        operationId: "home",
        summary: "What this is",
        description: "A page for browsers, JSON for everything else.",
        security: [],
        responses: {
          200: json(
            "The service's name and version, and where to go next.",
            object({
              name: { const: "memX" },
              version: { type: "string" },
              docs: { type: "string" },
              openapi: { type: "string" },
              health: { type: "string" },
            }),
          ),
        },
      },
    },
    "/health": {
      get: {
        tags: ["Service"],
        operationId: "health",
        summary: "Is memX well?",
        security: [],
        responses: {
          200: json(
            "It is, and so is its store.",
            object({ status: { const: "ok" }, store: { enum: ["embedded", "redis"] }, version: { type: "string" } }),
          ),
          ...failures("store_unavailable", "internal"),
        },
      },
    },
    "/openapi.json": {
      get: {
        tags: ["Service"],
        operationId: "openApi",
        summary: "This document",
        security: [],
        responses: { 200: json("OpenAPI 3.1.", { type: "object" }) },
      },
    },
    "/docs": {
      get: {
        tags: ["Service"],
        operationId: "docs",
        summary: "This page",
        security: [],
        responses: { 200: { description: "The interactive reference.", content: { "text/html": {} } } },
      },
    },
  },
  components: {
    securitySchemes: {
      apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
      bearer: { type: "http", scheme: "bearer" },
    },
    schemas: {
      Problem: {
        description: "RFC 9457 problem details. Branch on `code`; the other texts are for people.",
        type: "object",
        required: ["type", "title", "status", "detail", "code"],
        properties: {
          type: { type: "string", format: "uri" },
          title: { type: "string" },
          status: { type: "integer" },
          detail: { type: "string" },
          code: { enum: Object.keys(ERROR_STATUS) },
          errors: {
            description: "Each thing that is wrong: where (JSON Pointer) and what.",
            type: "array",
            items: object({ path: { type: "string" }, message: { type: "string" } }),
          },
          current: {
            description:
              "Of a `conflict` with `expect`: what the key holds, null for nothing. Not told to an API key that may not read it.",
            type: ["object", "null"],
            required: ["ts", "revision"],
            properties: { value: {}, schema: { type: ["object", "boolean"] }, ts, revision },
          },
        },
      },
    },
  },
} as const;
