// One socket to memX's `/watch`: reads its frames, pings, and notices when it is dead. It ends once; the feed
// reconnects.

import { API_KEY_SUBPROTOCOL, SUBPROTOCOL } from "../protocol.ts";
import type { MemxError } from "./errors.ts";
import { type ChangeEvent, readFrame } from "./events.ts";
import type { Options, WebSocketLike } from "./options.ts";
import { readRefusal } from "./read-error.ts";

/** memX expects a ping after this many characters, as a sign that the client has read them. */
const PING_AFTER_CHARS = 1024 * 1024;

export type SocketHandlers = {
  readonly onChange: (event: ChangeEvent, chars: number) => void;
  readonly onReady: (revision: number) => void;
  readonly onReset: () => void;
  /** Called once, and never after `close`. After a refusal, the same request would be refused again. */
  readonly onEnd: (refusal: MemxError | undefined) => void;
};

export class Socket {
  readonly #socket: WebSocketLike;
  readonly #options: Options;
  readonly #handlers: SocketHandlers;
  readonly #pings: ReturnType<typeof setInterval>;
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** A response is due before `ready`, and after a ping. */
  #ready = false;
  #pinged = false;
  #unconfirmed = 0;
  #ended = false;

  constructor(url: string, options: Options, handlers: SocketHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#socket = new options.WebSocket(url, subprotocols(options.apiKey));
    this.#socket.addEventListener("message", ({ data }) => this.#hear(String(data)));
    this.#socket.addEventListener("close", ({ code, reason }) => this.#end(readRefusal(code, reason)));
    this.#socket.addEventListener("error", () => this.#end(undefined));
    this.#pings = setInterval(() => this.ping(), options.pingIntervalMs);
    this.#awaitResponse();
  }

  close(): void {
    this.#stop();
  }

  /** Checks that memX is still there. Ends the socket if nothing arrives in time. */
  ping(): void {
    if (!this.#ready || this.#pinged || this.#ended) return;
    this.#pinged = true;
    this.#unconfirmed = 0;
    this.#awaitResponse();
    this.#socket.send("ping");
  }

  #hear(text: string): void {
    if (this.#ended) return;
    if (text === "pong") this.#pinged = false;
    else this.#read(text);
    // Any frame is a sign of life: the response may be behind megabytes of events.
    clearTimeout(this.#silence);
    if (!this.#ended && (this.#pinged || !this.#ready)) this.#awaitResponse();
  }

  #read(text: string): void {
    const frame = readFrame(text);
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
    this.#silence = setTimeout(() => this.#end(undefined), this.#options.pingTimeoutMs);
  }

  #end(refusal: MemxError | undefined): void {
    if (this.#ended) return;
    this.#stop();
    this.#handlers.onEnd(refusal);
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

/** Sends the API key as a subprotocol, because browsers cannot set a header. */
function subprotocols(apiKey: string | undefined): string[] {
  if (apiKey === undefined) return [SUBPROTOCOL];
  const binary = Array.from(new TextEncoder().encode(apiKey), (byte) => String.fromCharCode(byte)).join("");
  const base64url = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return [SUBPROTOCOL, API_KEY_SUBPROTOCOL + base64url];
}
