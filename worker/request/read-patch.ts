// Reads what POST /patch must do: from a JSON body with the key and the patch, or from a body that is the patch itself
// (RFC 7396, RFC 6902), with the key in the query.

import { LIMITS } from "../../config/limits.ts";
import { outline } from "../../memory/json-text.ts";
import type { Patch } from "../../memory/patch/apply-patch.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import type { AppContext } from "../app-env.ts";
import { OPERATIONS, PATCH_DOCUMENTS, patchQuery } from "./operations.ts";
import { checked, invalid, mediaTypeOf, readBody, readDocument, readQuery } from "./read-request.ts";

type Body = NonNullable<(typeof OPERATIONS.patch.request)["passed"]>;

export type PatchRequest = {
  readonly key: string;
  readonly expect: Body["expect"] | undefined;
  readonly ttl: Body["ttl"] | undefined;
  readonly patch: Patch;
};

const KINDS = ["merge", "patch", "increment", "append"] as const;

/** @throws {ApiError} `unsupported_media_type`, `invalid_request` */
export async function readPatch(c: AppContext): Promise<PatchRequest> {
  const mediaType = mediaTypeOf(c, ["application/json", ...Object.keys(PATCH_DOCUMENTS)]);
  if (mediaType !== "application/json") return readPatchDocument(c, mediaType as keyof typeof PATCH_DOCUMENTS);
  const { body, members } = await readBody(c, OPERATIONS.patch.request, OPERATIONS.patch);
  return { key: body.key, expect: body.expect, ttl: body.ttl, patch: patchOf(body, members) };
}

async function readPatchDocument(c: AppContext, mediaType: keyof typeof PATCH_DOCUMENTS): Promise<PatchRequest> {
  const { key, ...query } = readQuery(c.req.url, patchQuery);
  const options = {
    key,
    ...(query.expect !== undefined && { expect: Number(query.expect) }),
    ...(query.ttl !== undefined && { ttl: query.ttl === "keep" ? query.ttl : Number(query.ttl) }),
  };
  const { expect, ttl } = checked(OPERATIONS.patch.request, options, "query");
  // As many levels as a patch in a JSON body can have.
  const text = await readDocument(c, LIMITS.maxJsonDepth + 2);
  return { key, expect, ttl, patch: { kind: PATCH_DOCUMENTS[mediaType], text } };
}

/** @throws {ApiError} `invalid_request` */
export function patchOf(body: Body, members: ReadonlyMap<string, JsonText>): Patch {
  const [kind, ...others] = KINDS.filter((name) => members.has(name));
  if (!kind || others.length > 0) {
    throw invalid("body", [{ path: "", message: `Must have exactly one of ${KINDS.join(", ")}.` }]);
  }
  const text = members.get(kind) as JsonText;
  switch (kind) {
    case "merge":
    case "patch":
      return { kind, text };
    case "increment": {
      const by = outline(text).members.get("by") as JsonText;
      return { kind, path: body.increment?.path ?? "", by };
    }
    case "append": {
      const { path = "", limit } = body.append ?? {};
      const items = outline(text).members.get("items") as JsonText;
      return { kind, path, items, ...(limit !== undefined && { limit }) };
    }
  }
}
