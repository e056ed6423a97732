// Reads the number of a TCP port, for each setting that has one.

/** From 0 to 65535; 0 lets the system choose. Returns `undefined` for any other text. */
export function parsePort(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}
