// Answers whose JSON is text already, because a stored value or schema was spliced into them.

import type { JsonText } from "../sdk/protocol.ts";
import type { Held } from "./store/store.ts";

export function jsonAnswer(text: JsonText | null): Response {
  return new Response(text ?? "null", { headers: { "content-type": "application/json" } });
}

/** What is held, as callers are told it; `name` is what the text is. */
export function heldText(name: "value" | "schema", { text, ts, revision }: Held): JsonText {
  return `{"${name}":${text},"ts":${ts},"revision":${revision}}`;
}
