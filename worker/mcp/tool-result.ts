// What a tool returns to an agent. Some hosts show the model only the text, others only `structuredContent`, so each says
// everything.

import type { CallToolResult } from "@modelcontextprotocol/server";
import { LIMITS } from "../../config/limits.ts";
import type { ApiError } from "../../memory/errors.ts";
import type { ErrorCode, JsonText } from "../../sdk/protocol.ts";
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

/** A failure that the agent can act on: what is wrong, what the key holds, and what to do next. */
export function toolFailure(error: ApiError): CallToolResult {
  const { code, message, current } = error;
  const lines = [`${code}: ${message}`];
  if (current !== undefined) {
    const part = cutText(current, 0);
    lines.push(`current: ${part}${part === current ? "" : " … (cut: read it with memx_get)"}`);
  }
  const next = nextStep(error);
  if (next) lines.push(`Next: ${next}`);
  return { content: [{ type: "text", text: lines.join("\n") }], isError: true };
}

function nextStep({ code, current, retryAfterSeconds }: ApiError): string | undefined {
  if (code === "conflict") {
    if (current === undefined) return "read the key with memx_get, decide again, and write again.";
    if (current === "null") return "the key has no value now. To create it, pass `expect: 0`.";
    return "decide again on the basis of `current`, and pass its revision as `expect`.";
  }
  const step = NEXT_STEPS[code];
  return retryAfterSeconds === undefined ? step : `${step ?? "try again"} (after ${retryAfterSeconds} s).`;
}

const NEXT_STEPS: Partial<Record<ErrorCode, string>> = {
  schema_violation: "read the key's schema with memx_schema, correct the value, and write again.",
  invalid_request: "correct the arguments, and call the tool again.",
  forbidden: "use a key that your API key allows.",
  too_large: `write less: a value has at most ${LIMITS.maxValueBytes} bytes. Use several keys.`,
  store_unavailable: "try again. A write may have been applied, so read the key first",
  internal: "a write may have been applied: read the key before you try again.",
};
