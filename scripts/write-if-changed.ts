// Writes a file only if it has changed, because a running memX may be reading it.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export function writeIfChanged(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true });
  try {
    if (readFileSync(path).equals(Buffer.from(content))) return;
  } catch {
    // The file is new.
  }
  writeFileSync(path, content);
}
