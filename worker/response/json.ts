// JSON responses. A stored value or schema is spliced in as text, never parsed and printed again.

import type { JsonText } from "../../sdk/protocol.ts";
import { jsonHeaders } from "./headers.ts";

/** @param text `null` for the JSON `null` */
export function jsonResponse(text: JsonText | null): Response {
  return new Response(text ?? "null", { headers: jsonHeaders() });
}
