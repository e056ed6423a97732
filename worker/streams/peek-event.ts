// What the Worker must know of an event that it forwards as text, without parsing the event's value.

export function isReady(text: string): boolean {
  return text.startsWith('{"event":"ready"');
}

export function isReset(text: string): boolean {
  return text.startsWith('{"event":"reset"');
}

/** The revision stands at the end of the text, so no part of a value can be mistaken for it. */
export function revisionOf(text: string): number {
  return Number(/"revision":(\d+)(?:,"previous":\d+)?\}$/.exec(text)?.[1]);
}
