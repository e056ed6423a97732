// From a request to its principal: finds the API key it carries, and who that is.

import developmentList from "../../config/acl.json";
import { API_KEY_SUBPROTOCOL } from "../../sdk/protocol.ts";
import { ApiError } from "../errors.ts";
import { offeredSubprotocols } from "../subprotocols.ts";
import { AccessListError, parseAccessList } from "./access-list.ts";
import type { Principal } from "./principal.ts";

/** @throws {ApiError} `missing_api_key`, `invalid_api_key`, `auth_unavailable` */
export function authenticate(headers: Headers, env: Env): Principal {
  const apiKey = findApiKey(headers);
  const list = accessList(env);
  if (!apiKey) throw new ApiError("missing_api_key", "Missing API key: send it in the x-api-key header.");
  const principal = list.get(apiKey);
  if (!principal) throw new ApiError("invalid_api_key", "Invalid or inactive API key.");
  return principal;
}

/** The API key that a request carries, whether or not it is a good one. */
export function findApiKey(headers: Headers): string | undefined {
  return (
    headers.get("x-api-key") ||
    /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1] ||
    findInSubprotocols(offeredSubprotocols(headers))
  );
}

/** A page in a browser can give its WebSocket no other header. */
function findInSubprotocols(names: readonly string[]): string | undefined {
  const encoded = names.find((name) => name.startsWith(API_KEY_SUBPROTOCOL))?.slice(API_KEY_SUBPROTOCOL.length);
  if (encoded === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.fromBase64(encoded, { alphabet: "base64url" }),
    );
  } catch {
    return undefined; // As if there were none: it can not be one of ours.
  }
}

let parsed: { readonly source: unknown; readonly list: ReadonlyMap<string, Principal> } | undefined;

/** Parsed once per isolate, for its configuration does not change. Nothing configured means nobody gets in. */
function accessList(env: Env): ReadonlyMap<string, Principal> {
  const source = env.MEMX_ACL || (env.MEMX_ENV === "development" ? developmentList : undefined);
  if (source === undefined) {
    throw new ApiError("auth_unavailable", "No API keys are configured: set MEMX_ACL to an access list.");
  }
  if (parsed?.source !== source) {
    try {
      parsed = { source, list: parseAccessList(typeof source === "string" ? JSON.parse(source) : source) };
    } catch (error) {
      const reason = error instanceof AccessListError ? error.message : "it is not valid JSON";
      throw new ApiError("auth_unavailable", `The access list in MEMX_ACL can not be used: ${reason}.`);
    }
  }
  return parsed.list;
}
