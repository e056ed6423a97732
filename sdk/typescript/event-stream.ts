// The server-sent events of memX's `/watch`, read with `fetch`: for runtimes without a WebSocket, such as Node 20. Like a
// socket, a stream ends once; the feed reconnects.

import { type MemxError, NetworkError, TimeoutError } from "./errors.ts";
import { readFrame } from "./events.ts";
import { headersOf, unreachable } from "./http.ts";
import type { Line, LineHandlers } from "./line.ts";
import type { Options } from "./options.ts";
import { readErrorResponse } from "./read-error.ts";

/** memX sends a comment this often, so that a stream without changes is not silent. */
const KEEP_ALIVE_MS = 15_000;

export class EventStream implements Line {
  readonly #options: Options;
  readonly #handlers: LineHandlers;
  readonly #abort = new AbortController();
  #silence: ReturnType<typeof setTimeout> | undefined;
  #ready = false;

  constructor(url: string, options: Options, handlers: LineHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    const headers = headersOf(options);
    headers.set("accept", "text/event-stream");
    this.#awaitText();
    void this.#run(url, headers);
  }

  close(): void {
    clearTimeout(this.#silence);
    this.#abort.abort();
  }

  ping(): void {
    // A stream cannot ask. Its keep-alive says that memX is there.
  }

  async #run(url: string, headers: Headers): Promise<void> {
    const { fetch, baseUrl } = this.#options;
    const { signal } = this.#abort;
    try {
      const response = await fetch(url, { headers, signal });
      if (!response.ok) return this.#end(readErrorResponse(response, await response.text(), { baseUrl }));
      if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
        return this.#end(new NetworkError("network", `The response of ${baseUrl} does not come from memX.`));
      }
      await this.#readBody(response.body);
      this.#end(new NetworkError("network", "The stream of events ended."));
    } catch (cause) {
      this.#end(unreachable(baseUrl, { cause }));
    }
  }

  async #readBody(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done || this.#abort.signal.aborted) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) this.#read(block);
      if (!this.#abort.signal.aborted) this.#awaitText();
    }
  }

  #read(block: string): void {
    const lines = block.split("\n").filter((line) => line.startsWith("data:"));
    // Only a comment, or the stream has ended.
    if (lines.length === 0 || this.#abort.signal.aborted) return;
    const text = lines.map((line) => line.replace(/^data: ?/, "")).join("\n");
    let frame: ReturnType<typeof readFrame>;
    try {
      frame = readFrame(text, this.#options.json.parse);
    } catch (cause) {
      this.#end(new NetworkError("network", "An event of the stream does not come from memX.", { cause }));
      return;
    }
    if (frame?.event === "ready") {
      this.#ready = true;
      this.#handlers.onReady(frame.revision);
    } else if (frame?.event === "reset") this.#handlers.onReset();
    else if (frame) this.#handlers.onChange(frame, text.length);
  }

  #awaitText(): void {
    clearTimeout(this.#silence);
    const waitMs = this.#options.pingTimeoutMs + (this.#ready ? KEEP_ALIVE_MS : 0);
    const error = () => new TimeoutError("timeout", `memX did not respond within ${waitMs} ms.`);
    this.#silence = setTimeout(() => this.#end(error()), waitMs);
  }

  #end(error: MemxError): void {
    if (this.#abort.signal.aborted) return;
    this.close();
    this.#handlers.onEnd(error);
  }
}
