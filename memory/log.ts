// The log: one JSON object per line, with the id of the request it is about. The response carries the same id.

import { requestVariables } from "./request-context.ts";

/** @param event names what happened, in snake_case; it does not change, so operators can alert on it */
export function log(level: "warn" | "error", event: string, details: Readonly<Record<string, unknown>>): void {
  const { requestId } = requestVariables();
  console[level]({ event, ...(requestId !== undefined && { request: requestId }), ...details });
}
