// What a value is at a glance: its type, its size, and how it begins.

export type JsonType = "object" | "array" | "string" | "number" | "boolean" | "null";

export type Glance = { readonly type: JsonType; readonly bytes: number; readonly preview: string };

const PREVIEW_CHARS = 120;
const encoder = new TextEncoder();

export function glance(text: string): Glance {
  const first = text[0];
  const type: JsonType =
    first === "{"
      ? "object"
      : first === "["
        ? "array"
        : first === '"'
          ? "string"
          : first === "n"
            ? "null"
            : first === "t" || first === "f"
              ? "boolean"
              : "number";
  // Joined anew, because a slice would keep the whole text in memory.
  const preview = Array.from(text.slice(0, PREVIEW_CHARS)).join("").replaceAll(/\s+/g, " ");
  return { type, bytes: encoder.encode(text).length, preview };
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
] as const;

/** Two units at most: `4m 02s`. */
export function formatDuration(seconds: number): string {
  const total = Math.max(0, Math.ceil(seconds));
  for (const [index, [unit, length]] of UNITS.entries()) {
    if (total < length) continue;
    const [nextUnit, nextLength] = UNITS[index + 1] ?? ["s", 1];
    return `${Math.floor(total / length)}${unit} ${String(Math.floor((total % length) / nextLength)).padStart(2, "0")}${nextUnit}`;
  }
  return `${total}s`;
}

/** How long ago, in words short enough for a row. */
export function formatAge(seconds: number): string {
  if (seconds < 2) return "now";
  if (seconds < 60) return `${Math.floor(seconds)}s ago`;
  for (const [unit, length] of UNITS) if (seconds >= length) return `${Math.floor(seconds / length)}${unit} ago`;
  return "now";
}
