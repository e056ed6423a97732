// Text as headers carry it: in UTF-8, like memX reads it.

/** One character for each byte of the text's UTF-8. */
export function toBinary(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

/** Returns the value that makes `fetch` send the text in UTF-8. */
export function headerText(text: string): string {
  // A header's value is bytes by the standard, one for each character. In workerd it is text, which workerd encodes.
  const isText =
    /^[ -~]*$/.test(text) ||
    (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent === "Cloudflare-Workers";
  return isText ? text : toBinary(text);
}
