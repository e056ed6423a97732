// What the Worker has to know of an event that it passes on as text, without parsing its value.

export function isReady(text: string): boolean {
  return text.startsWith('{"event":"ready"');
}

export function isReset(text: string): boolean {
  return text.startsWith('{"event":"reset"');
}

/** It stands at the end, where no value can come after it. */
export function revisionOf(text: string): number {
  return Number(/"revision":(\d+)(?:,"previous":\d+)?\}$/.exec(text)?.[1]);
}
