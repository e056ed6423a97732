// Reads the port of the metrics of all processes. It stands in config/, as the other settings that `npm start` checks.

/** Returns `undefined` if the setting is missing. @throws {Error} with one sentence for the operator */
export function metricsPort({ METRICS_PORT }: { readonly METRICS_PORT?: string | undefined }): number | undefined {
  if (!METRICS_PORT) return undefined;
  if (/^\d{1,5}$/.test(METRICS_PORT) && Number(METRICS_PORT) <= 65_535) return Number(METRICS_PORT);
  throw new Error("METRICS_PORT must be a number from 0 to 65535.");
}
