// A file for the lines of an export until all of them are there. It has no name, so nothing stays behind.

import { randomUUID } from "node:crypto";
import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 10;

export class Spool {
  readonly #file: number;
  #pending: string[] = [];
  #pendingChars = 0;
  #bytes = 0;

  /** @throws what the file system says */
  constructor() {
    const path = join(tmpdir(), `memx-export-${randomUUID()}`);
    this.#file = openSync(path, "wx+", 0o600);
    unlinkSync(path);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a line, which has no line break. */
  add(line: string): void {
    this.#pending.push(line);
    this.#pendingChars += line.length;
    if (this.#pendingChars >= CHUNK_BYTES) this.#flush();
  }

  clear(): void {
    ftruncateSync(this.#file);
    [this.#pending, this.#pendingChars, this.#bytes] = [[], 0, 0];
  }

  /** Yields the lines, many at a time. */
  *lines(): Generator<string[]> {
    this.#flush();
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let rest = Buffer.alloc(0);
    for (let at = 0; ; ) {
      const read = readSync(this.#file, chunk, 0, CHUNK_BYTES, at);
      if (read === 0) return;
      at += read;
      const bytes = Buffer.concat([rest, chunk.subarray(0, read)]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      rest = bytes.subarray(end);
      if (end > 0) yield bytes.toString("utf8", 0, end - 1).split("\n");
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    const bytes = Buffer.from(`${this.#pending.join("\n")}\n`);
    for (let from = 0; from < bytes.length; )
      from += writeSync(this.#file, bytes, from, bytes.length - from, this.#bytes + from);
    this.#bytes += bytes.length;
    [this.#pending, this.#pendingChars] = [[], 0];
  }
}
