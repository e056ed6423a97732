// What each operation responds with: success, and the errors it can end with.

import { CALLER_LIMITS } from "../../config/limits.ts";
import type { OPERATIONS } from "../request/operations.ts";
import {
  always,
  by,
  change,
  currentRevision,
  deleted,
  details,
  entry,
  failures,
  type Json,
  json,
  object,
  ok,
  onBody,
  onStore,
  onWrite,
  revision,
  ts,
  updated,
} from "./parts.ts";

const stream = {
  101: { description: "The WebSocket is open." },
  200: { description: "Server-sent events.", content: { "text/event-stream": {} } },
  ...failures(...onStore, "upgrade_required"),
};

const globs = { type: "array", items: { type: "string" } };
const most = (description: string) => ({ type: "integer", description });

/** The response of a call among others. */
const answer = {
  type: "object",
  required: ["status", "body"],
  properties: {
    status: { type: "integer", description: "The status that HTTP would have." },
    retry: { type: "number", description: "Seconds, as `Retry-After`. Absent if there is nothing to wait for." },
    revision: { type: "integer", description: "As the header `memx-revision`. Absent from some errors." },
    body: { description: "The body that HTTP would have: the call's own, or a Problem." },
  },
};

export const RESPONSES: Readonly<Record<keyof typeof OPERATIONS, Json>> = {
  set: {
    200: json("Written.", object({ ok, updated, revision: currentRevision, ts })),
    ...failures(...onWrite),
  },
  get: {
    200: json("The current value, or null if the key holds nothing.", {
      oneOf: [entry, { type: "null" }],
    }),
    304: { description: "The key still has the revision of `If-None-Match`." },
    ...failures(...onStore, "revision_ahead"),
  },
  read: {
    200: json(
      "The entries, in the order of the keys, and the revision of your namespace's last change at that moment.",
      object({
        entries: { type: "array", items: { oneOf: [entry, { type: "null" }] } },
        revision: { ...revision, minimum: 0, description: "What to pass as `since` to get every later change." },
      }),
    ),
    ...failures(...onBody, "revision_ahead"),
  },
  delete: {
    200: json(
      "Deleted. If the key held nothing, `deleted` is false and `revision` is 0.",
      object({ ok, deleted, revision: currentRevision }),
    ),
    ...failures(...onBody, "conflict", "store_full"),
  },
  patch: {
    200: json("Changed.", object({ ok, updated: ok, revision, ts, value: { description: "The new value." } })),
    ...failures(...onWrite, "value_gone"),
  },
  batch: {
    200: json(
      "Done. Each result is what the operation would return alone, without `ok`.",
      object({
        ok,
        results: {
          type: "array",
          items: {
            type: "object",
            required: ["revision"],
            properties: { updated, deleted, revision: currentRevision, ts },
          },
        },
      }),
    ),
    ...failures(...onWrite),
  },
  bulk: {
    200: json(
      "Done. Each result is what the operation would return alone: its status and its body.",
      object({ results: { type: "array", items: answer } }),
    ),
    ...failures(...onBody),
  },
  keys: {
    200: json(
      "A page of keys, and the `cursor` of the next page. With `values`, keys also have what an entry has.",
      object({
        keys: {
          type: "array",
          items: {
            type: "object",
            required: ["key", "ts", "revision"],
            properties: { key: { type: "string" }, ts, revision, value: {}, ...details },
          },
        },
        cursor: { type: ["string", "null"] },
      }),
    ),
    ...failures(...onStore, "revision_ahead"),
  },
  history: {
    200: json(
      "The changes, and what to pass as `before` for older ones.",
      object({ changes: { type: "array", items: change }, cursor: { type: ["integer", "null"] } }),
    ),
    ...failures(...onStore),
  },
  setSchema: {
    200: json("Set.", object({ ok, revision })),
    ...failures(...onBody, "invalid_schema", "conflict", "quota_exceeded", "store_full"),
  },
  getSchema: {
    200: json("The schema.", {
      type: "object",
      properties: { key: { type: "string" }, schema: { type: ["object", "boolean"] }, revision, by },
      required: ["key", "schema", "revision"],
    }),
    ...failures(...onStore, "not_found"),
  },
  deleteSchema: {
    200: json("Deleted.", object({ ok, revision })),
    ...failures(...onStore, "not_found", "conflict", "store_full"),
  },
  connect: {
    101: { description: "The WebSocket is open." },
    ...failures("auth_unavailable", "store_unavailable", "upgrade_required", "internal"),
  },
  whoami: {
    200: json("What the API key may do, and what this memX is.", {
      type: "object",
      properties: {
        name: { type: "string", description: "What the API key is called. Absent if it has no name." },
        engine: { enum: ["embedded", "redis"], description: "The store." },
        version: { type: "string" },
        scopes: {
          ...object({ read: globs, write: globs }),
          description:
            "Globs over keys as you write them. The API key may read or write a key if and only if one of these matches it.",
        },
        limits: object({
          ...Object.fromEntries(
            Object.entries(CALLER_LIMITS).map(([name, [, description]]) => [name, most(description)]),
          ),
          log: most("Changes of your namespace that the change log keeps."),
        }),
      },
      required: ["engine", "version", "scopes", "limits"],
    }),
    ...failures(...always, "store_unavailable"),
  },
  subscribe: stream,
  watch: stream,
  changes: {
    200: json(
      "The changes. There can be none.",
      object({ changes: { type: "array", items: change }, revision, reset: { type: "boolean" } }),
    ),
    ...failures(...onStore),
  },
};
