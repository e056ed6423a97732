// `export`: all values and schemas as they were at one moment, one line each. The snapshot of `/watch` is not of one moment,
// but the changes that memX sends after it make it so. They can concern any line, so the lines wait in a file until memX
// has sent everything. If the connection breaks, the export begins again, and nothing was printed yet.

import { backoffMs, pause } from "./backoff.ts";
import { Calls } from "./calls.ts";
import { EXIT, write } from "./cli-output.ts";
import { Progress } from "./cli-progress.ts";
import { Spool } from "./cli-spool.ts";
import { MemxError, NetworkError, TimeoutError } from "./errors.ts";
import { headersOf, unreachable } from "./http.ts";
import type { Options } from "./options.ts";
import { isFinal, readErrorResponse } from "./read-error.ts";

/** The version of the format. A change that an earlier import would misunderstand needs a new one. */
export const EXPORT_FORMAT = 1;

/** memX sends a comment every 15 seconds. */
const MAX_SILENCE_MS = 60_000;

const MAX_ATTEMPTS = 5;

type Frame = { readonly event: string; readonly action?: string; readonly key: string; readonly revision: number };

/** The changes since the export began, the last one of each value and schema. memX bounds them: it lets 8 Mi characters wait. */
type Late = Map<string, { readonly key: string; readonly isSet: boolean; readonly line: string }>;

export async function exportMemory(options: Options, patterns: readonly string[]): Promise<number> {
  const calls = new Calls(options);
  const pattern = patterns.length > 0 ? patterns : ["*"];
  let spool: Spool;
  try {
    spool = new Spool();
  } catch (error) {
    return cannotSpool(error);
  }
  try {
    const { late, revision } = await readAll(calls, options, pattern, spool);
    const head = { event: "export", format: EXPORT_FORMAT, revision };
    await write(`${JSON.stringify(head)}\n`);
    const counts = await print(spool, late);
    return await write(`${JSON.stringify({ event: "end", ...counts })}\n`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException)?.syscall === "write") return cannotSpool(error);
    throw error;
  } finally {
    spool.close();
  }
}

async function readAll(calls: Calls, options: Options, pattern: readonly string[], spool: Spool) {
  for (let attempt = 0; ; attempt++) {
    const late: Late = new Map();
    const progress = new Progress("Reading");
    try {
      return { late, revision: await readOnce(calls, options, pattern, { spool, late, progress }) };
    } catch (error) {
      progress.end();
      if (isFinal(error) || attempt + 1 >= MAX_ATTEMPTS) throw error;
      spool.clear();
      const { message, retryAfterMs = 0 } = error as MemxError;
      process.stderr.write(`${message} The export begins again.\n`);
      await pause(retryAfterMs + backoffMs(attempt));
    } finally {
      progress.end();
    }
  }
}

type Sink = { readonly spool: Spool; readonly late: Late; readonly progress: Progress };

/** Returns the revision at which everything was as it was read. */
async function readOnce(calls: Calls, options: Options, pattern: readonly string[], { spool, late, progress }: Sink) {
  const call = { method: "GET", path: "/changes", query: { pattern, wait: 0 }, has: "revision" } as const;
  const { revision: before } = await calls.send<{ revision: number }>(call);
  let count = 0;
  for await (const text of events(calls, options, pattern)) {
    const line = text.replace(/[\r\n]+/g, " ");
    const frame = parse(line);
    if (frame.event === "ready") return frame.revision;
    // The store went back. What was sent before is void.
    if (frame.event === "reset") throw new NetworkError("network", "memX started its snapshot over.");
    if (frame.event !== "value" && frame.event !== "schema") continue;
    const { event, action, key } = frame;
    if (frame.revision > before) late.set(`${event} ${key}`, { key, isSet: action === "set", line });
    else spool.add(line);
    progress.show(++count);
  }
  throw new NetworkError("network", "The stream of memX ended before everything had come.");
}

/** Yields the texts of the events, no faster than they are taken. */
async function* events(calls: Calls, options: Options, pattern: readonly string[]): AsyncGenerator<string> {
  const { fetch, baseUrl } = options;
  const headers = headersOf(options);
  headers.set("accept", "text/event-stream");
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expectText = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), MAX_SILENCE_MS);
  };
  try {
    expectText();
    const response = await fetch(calls.url("/watch", { pattern, event: "all", since: 0 }), {
      headers,
      signal: abort.signal,
    });
    if (!response.ok) throw readErrorResponse(response, await response.text(), { baseUrl });
    if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
      throw new NetworkError("network", `The response of ${baseUrl} does not come from memX.`);
    }
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (let rest = ""; ; ) {
      expectText();
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const lines = block.split("\n").filter((line) => line.startsWith("data:"));
        if (lines.length > 0) yield lines.map((line) => line.replace(/^data: ?/, "")).join(" ");
      }
    }
  } catch (cause) {
    if (cause instanceof MemxError) throw cause;
    if (abort.signal.aborted) throw new TimeoutError("timeout", `memX sent nothing for ${MAX_SILENCE_MS} ms.`);
    throw unreachable(baseUrl, { cause });
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

async function print(spool: Spool, late: Late): Promise<{ values: number; schemas: number }> {
  const counts = { values: 0, schemas: 0 };
  let bytes = 0;
  const progress = new Progress("Printing", spool.bytes);
  const printAll = async (lines: readonly string[]) => {
    for (const line of lines) counts[line.startsWith('{"event":"schema"') ? "schemas" : "values"]++;
    const text = lines.map((line) => `${line}\n`).join("");
    if (text !== "") await write(text);
    bytes += text.length;
    progress.show(counts.values + counts.schemas, bytes);
  };
  const isCurrent = (line: string) => {
    const { event, key } = parse(line);
    return !late.has(`${event} ${key}`);
  };
  for (const lines of spool.lines()) await printAll(late.size > 0 ? lines.filter(isCurrent) : lines);
  // A key's schema stays in front of its value.
  const changed = [...late.entries()].filter(([, { isSet }]) => isSet);
  const place = ([name, { key }]: (typeof changed)[number]) => `${key}\n${name}`;
  changed.sort((a, b) => (place(a) < place(b) ? -1 : 1));
  await printAll(changed.map(([, { line }]) => line));
  progress.end();
  return counts;
}

function parse(line: string): Frame {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new NetworkError("network", "An event of the stream does not come from memX.", { cause });
  }
}

function cannotSpool(error: unknown): number {
  const { message } = error as Error;
  process.stderr.write(`The export needs room for a temporary file, in the folder that TMPDIR names: ${message}\n`);
  return EXIT.output;
}
