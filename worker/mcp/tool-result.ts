// What a tool returns to an agent. Some hosts show the model only the text, others only `structuredContent`, so each says
// everything.

import type { CallToolResult } from "@modelcontextprotocol/server";
import type { ApiError } from "../../memory/errors.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { parseExact } from "./exact-json.ts";
import { cutText } from "./fit-result.ts";

/** The JSON text of an object that matches the tool's output schema; `shown` stands in its place in the text. */
export type ToolOutput = { readonly json: JsonText; readonly shown?: readonly string[] };

export function toolResult({ json, shown = [json] }: ToolOutput): CallToolResult {
  return {
    content: shown.map((text) => ({ type: "text", text })),
    structuredContent: parseExact(json) as Record<string, unknown>,
  };
}

/**
 * A failure that the agent can act on: what is wrong, what the key holds, and what to do next.
 * @param writes whether the tool may have written in spite of the failure
 */
export function toolFailure(error: ApiError, writes: boolean): CallToolResult {
  const { code, message, current } = error;
  const lines = [`${code}: ${message}`];
  if (current !== undefined) {
    const part = cutText(current, 0);
    lines.push(`current: ${part}${part === current ? "" : " … (cut: read it with memx_get)"}`);
  }
  const next = nextStep(error, writes);
  if (next) lines.push(`Next: ${next}`);
  return { content: [{ type: "text", text: lines.join("\n") }], isError: true };
}

function nextStep({ code, current, retryAfterSeconds }: ApiError, writes: boolean): string | undefined {
  switch (code) {
    case "conflict":
      if (current === undefined) return "read the key with memx_get, decide again, and write again.";
      if (current === "null") return "the key has no value now. To create it, pass `expect: 0`.";
      return "decide again on the basis of `current`, and pass its revision as `expect`.";
    case "schema_violation":
      return "read the key's schema with memx_schema, correct the value, and write again.";
    case "invalid_request":
      return "correct the input, and call the tool again.";
    case "forbidden":
      return "use a key that your API key allows.";
    case "too_large":
    case "too_complex":
      return "write less, or use several keys.";
    case "rate_limited":
    case "store_unavailable":
    case "internal": {
      const again = retryAfterSeconds === undefined ? "try again later" : `try again after ${retryAfterSeconds} s`;
      return writes ? `read the key to see whether the write was applied. If not, ${again}.` : `${again}.`;
    }
    default:
      return undefined;
  }
}
