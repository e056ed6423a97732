// The escapes of a JSON Pointer (RFC 6901): "~" in a name is "~0", "/" is "~1".

/** One step of a JSON Pointer, with its slash. */
export function pointerStep(name: string | number): string {
  return `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** The name that a step stands for, given without its slash. */
export function unescapeStep(step: string): string {
  // In this order: "~01" is the name "~1".
  return step.replaceAll("~1", "/").replaceAll("~0", "~");
}
