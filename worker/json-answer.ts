// An answer whose JSON is text already, because a stored value or schema was spliced into it.

import type { JsonText } from "../sdk/protocol.ts";

export function jsonAnswer(text: JsonText | null): Response {
  return new Response(text ?? "null", { headers: { "content-type": "application/json" } });
}
