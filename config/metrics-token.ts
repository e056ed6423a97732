// Reads the token of GET /metrics. It stands in config/, because `npm start` checks it without the Worker's source.

/** Returns `undefined` if there are no metrics. @throws {Error} that does not repeat the token */
export function metricsToken({ METRICS_TOKEN }: { readonly METRICS_TOKEN?: string | undefined }): string | undefined {
  const token = METRICS_TOKEN?.trim();
  if (!token) return undefined;
  if (/^[\x21-\x7e]{16,}$/.test(token)) return token;
  throw new Error("METRICS_TOKEN must have at least 16 visible ASCII characters, without spaces.");
}
