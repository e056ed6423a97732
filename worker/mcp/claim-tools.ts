// Claims: the leases of memX's clients, so that agents in MCP hosts and agents that use a client can share work. The key's value
// is the holder, its revision the token.

import { ApiError } from "../../memory/errors.ts";
import { outline } from "../../memory/json-text.ts";
import { commit } from "../../memory/writes/commit.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { setFields } from "../response/json.ts";
import type { Tool } from "./tool.ts";

export const claim: Tool<{ key: string; holder: string; seconds?: number; token?: number }> = async (
  context,
  { key, holder, seconds: ttl = 60, token: expect = 0 },
  texts,
) => {
  try {
    const value = texts.get("holder") as string;
    const { results } = await commit(context, [{ op: "set", key, value, parsed: holder, expect, ttl }]);
    return { json: JSON.stringify({ claimed: true, token: setFields(results[0]).revision }) };
  } catch (error) {
    const { current } = conflictOf(error);
    const other = outline(current ?? "null").members;
    return {
      json: `{"claimed":false${member("holder", other.get("value"))}${member("expires", other.get("expires"))}}`,
    };
  }
};

export const release: Tool<{ key: string; token: number }> = async (context, { key, token }) => {
  try {
    await commit(context, [{ op: "delete", key, expect: token }]);
    return { json: '{"released":true}' };
  } catch (error) {
    conflictOf(error);
    return { json: '{"released":false}' };
  }
};

function member(name: string, text: JsonText | undefined): string {
  return text === undefined ? "" : `,"${name}":${text}`;
}

/** Returns the conflict with `expect`, and throws any other error again. */
function conflictOf(error: unknown): ApiError {
  if (error instanceof ApiError && error.code === "conflict") return error;
  throw error;
}
