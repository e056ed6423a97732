/** Returns a member's or item's step of a JSON Pointer (RFC 6901). */
export function toPointer(name: PropertyKey): string {
  return `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
