// The log: one JSON object for each line, with the id of the request that it is about, which is in its answer too.

import { tryGetContext } from "hono/context-storage";

export function log(level: "warn" | "error", event: string, details: Readonly<Record<string, unknown>>): void {
  console[level]({ event, request: tryGetContext()?.get("requestId" as never), ...details });
}
