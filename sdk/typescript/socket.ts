// One WebSocket to memX's `/watch`: reads its frames, pings, and notices when it is dead. It ends once; the feed
// reconnects.

import { SUBPROTOCOL } from "../protocol.ts";
import { type MemxError, NetworkError, TimeoutError } from "./errors.ts";
import { readFrame } from "./events.ts";
import type { Line, LineHandlers } from "./line.ts";
import type { Options, WebSocketClass, WebSocketLike } from "./options.ts";
import { readRefusal } from "./read-error.ts";
import { subprotocols } from "./subprotocols.ts";

/** memX expects a ping after this many characters, as a sign that the client has read them. */
const PING_AFTER_CHARS = 32 * 1024;

export class Socket implements Line {
  readonly #socket: WebSocketLike;
  readonly #options: Options;
  readonly #handlers: LineHandlers;
  readonly #pings: ReturnType<typeof setInterval>;
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** A response is due before `ready`, and after a ping. */
  #ready = false;
  #pinged = false;
  /** Below 0 until the first frame. Pings do not wait for `ready`: before it comes a replay, in which memX waits for them. */
  #unconfirmed = -1;
  #ended = false;

  /** @throws what the class of the WebSocket throws */
  constructor(WebSocket: WebSocketClass, url: string, options: Options, handlers: LineHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#socket = new WebSocket(url.replace(/^http/, "ws"), subprotocols(SUBPROTOCOL, options.apiKey));
    this.#socket.addEventListener("message", ({ data }) => this.#hear(String(data)));
    this.#socket.addEventListener("close", ({ code, reason }) => this.#end(readClose(code, reason)));
    this.#socket.addEventListener("error", () => this.#fail("The WebSocket failed."));
    this.#pings = setInterval(() => this.ping(), options.pingIntervalMs);
    this.#awaitResponse();
  }

  close(): void {
    this.#stop();
  }

  ping(): void {
    if (this.#pinged || this.#ended || this.#unconfirmed < 0) return;
    this.#pinged = true;
    this.#unconfirmed = 0;
    this.#awaitResponse();
    try {
      this.#socket.send("ping");
    } catch (cause) {
      this.#fail("The WebSocket failed.", cause);
    }
  }

  #hear(text: string): void {
    if (this.#ended) return;
    if (text === "pong") this.#pinged = false;
    else this.#read(text);
    if (this.#ended) return;
    // Any frame is a sign of life: the response may be behind megabytes of events.
    if (this.#pinged || !this.#ready) this.#awaitResponse();
    else clearTimeout(this.#silence);
  }

  #read(text: string): void {
    let frame: ReturnType<typeof readFrame>;
    try {
      frame = readFrame(text, this.#options.json.parse);
    } catch (cause) {
      this.#fail("A message of the WebSocket does not come from memX.", cause);
      return;
    }
    if (frame?.event === "ready") {
      this.#ready = true;
      this.#handlers.onReady(frame.revision);
    } else if (frame?.event === "reset") this.#handlers.onReset();
    else if (frame) this.#handlers.onChange(frame, text.length);
    this.#unconfirmed += text.length;
    if (this.#unconfirmed >= PING_AFTER_CHARS) this.ping();
  }

  #awaitResponse(): void {
    clearTimeout(this.#silence);
    const { pingTimeoutMs } = this.#options;
    const error = () => new TimeoutError("timeout", `memX did not respond within ${pingTimeoutMs} ms.`);
    this.#silence = setTimeout(() => this.#end(error()), pingTimeoutMs);
  }

  #fail(message: string, cause?: unknown): void {
    this.#end(new NetworkError("network", message, { cause }));
  }

  #end(error: MemxError): void {
    if (this.#ended) return;
    this.#stop();
    this.#handlers.onEnd(error);
  }

  #stop(): void {
    this.#ended = true;
    clearInterval(this.#pings);
    clearTimeout(this.#silence);
    try {
      // The close event of a dead socket may take minutes, so the SDK does not wait for it.
      this.#socket.close(1000);
    } catch {
      // The socket never opened, or is already closed.
    }
  }
}

function readClose(code: number, reason: string): MemxError {
  const text = `The WebSocket was closed with code ${code}${reason ? `: ${reason}` : "."}`;
  return readRefusal(code, reason) ?? new NetworkError("network", text);
}
