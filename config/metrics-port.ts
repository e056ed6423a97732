// Reads the port of the metrics of all processes. It stands in config/, as the other settings that `npm start` checks.

import { parsePort } from "./port.ts";

/** Returns `undefined` if the setting is missing. @throws {Error} with one sentence for the operator */
export function metricsPort({ METRICS_PORT }: { readonly METRICS_PORT?: string | undefined }): number | undefined {
  if (!METRICS_PORT) return undefined;
  const port = parsePort(METRICS_PORT);
  if (port === undefined) throw new Error("METRICS_PORT must be a number from 0 to 65535.");
  return port;
}
