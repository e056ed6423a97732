// Answers in JSON. A stored value or schema is spliced in as the text that it is.

import type { Held } from "../../memory/store/store.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { jsonHeaders } from "./headers.ts";

export function jsonAnswer(text: JsonText | null): Response {
  return new Response(text ?? "null", { headers: jsonHeaders() });
}

/** What is held, as callers are told it; `name` is what the text is. */
export function heldText(name: "value" | "schema", { text, ts, revision }: Held): JsonText {
  return `{"${name}":${text},"ts":${ts},"revision":${revision}}`;
}
