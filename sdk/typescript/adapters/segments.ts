// Names in keys, with slashes between them. Python's memx_sdk._segments does the same.

/** Encodes what must not be in a segment: slashes, control characters, and `%` itself. */
export function encodeSegment(segment: string): string {
  return segment.replaceAll(/[%/\p{Cc}]/gu, (character) => encodeURIComponent(character));
}

/** Returns `undefined` for a text that `encodeSegment` does not produce: another program wrote it. */
export function decodeSegments(text: string): string[] | undefined {
  try {
    const segments = text.split("/").map(decodeURIComponent);
    return segments.map(encodeSegment).join("/") === text ? segments : undefined;
  } catch {
    return undefined; // A percent sign that encodes nothing.
  }
}
