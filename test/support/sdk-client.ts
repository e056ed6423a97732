// The SDK on the Worker of the test's project: HTTP goes to the Worker directly, and a test can cut or silence sockets.

import { exports } from "cloudflare:workers";
import { inject, onTestFinished } from "vitest";
import { SOCKET_CALLS, splitFrame } from "../../sdk/protocol.ts";
import { MemX, type MemXOptions, type WebSocketLike } from "../../sdk/typescript/index.ts";

type Listener = (event: never) => void;

/** A standard WebSocket over the Worker's response to a handshake. */
export class TestSocket implements WebSocketLike {
  readonly url: string;
  readonly #listeners: { type: string; listener: Listener }[] = [];
  readonly #opened: Promise<WebSocket | undefined>;
  #closed = false;
  /** Drops what memX sends, like a network that is gone without notice. */
  silent = false;

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.#opened = this.#open(protocols);
  }

  send(data: string): void {
    if (!this.silent) void this.#opened.then((socket) => socket?.send(data));
  }

  close(code?: number): void {
    this.#closed = true;
    void this.#opened.then((socket) => socket?.close(code));
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.push({ type, listener });
  }

  get open(): boolean {
    return !this.#closed;
  }

  /** The connection breaks. */
  cut(): void {
    this.close(1000);
    this.silent = true;
    this.#emit("close", { code: 1006, reason: "" });
  }

  async #open(protocols: string[]): Promise<WebSocket | undefined> {
    const headers = { upgrade: "websocket", "sec-websocket-protocol": protocols.join(", ") };
    const response = await exports.default.fetch(this.url.replace(/^ws/, "http"), { headers });
    const socket = response.webSocket;
    if (!socket) {
      this.#emit("error", {});
      return undefined;
    }
    socket.addEventListener("message", ({ data }) => {
      if (!this.silent) this.#emit("message", { data });
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.#closed = true;
      if (!this.silent) this.#emit("close", { code, reason });
    });
    socket.accept();
    // Whoever waits for the event wants to send, and `send` waits for this promise.
    queueMicrotask(() => this.#emit("open", {}));
    return socket;
  }

  #emit(type: string, event: object): void {
    for (const each of this.#listeners) if (each.type === type) each.listener(event as never);
  }
}

export type TestClient = {
  readonly memx: MemX;
  /** Every socket of subscriptions that the client has opened, the newest last. */
  readonly sockets: TestSocket[];
  /** By HTTP, or over a socket of calls. */
  readonly requests: { readonly url: string; readonly headers: Headers }[];
};

/** The request of HTTP that a message stands for. */
function readRequest(text: string): TestClient["requests"][number] {
  const { call, body, idempotency } = JSON.parse(text) as {
    call: keyof typeof SOCKET_CALLS;
    body: Record<string, string>;
    idempotency?: string;
  };
  const [method, path] = SOCKET_CALLS[call].split(" ");
  const query = method === "POST" ? "" : `?${new URLSearchParams(body)}`;
  const headers = new Headers(idempotency === undefined ? {} : { "idempotency-key": idempotency });
  return { url: `http://memx${path}${query}`, headers };
}

export function connectMemx(options: MemXOptions = {}): TestClient {
  const sockets: TestSocket[] = [];
  const requests: TestClient["requests"] = [];
  class Socket extends TestSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      if (!this.url.endsWith("/connect")) sockets.push(this);
    }

    override send(data: string): void {
      if (this.url.endsWith("/connect") && data !== "ping") requests.push(...splitFrame(data).map(readRequest));
      super.send(data);
    }
  }
  const fetch = async (url: string, init: RequestInit) => {
    requests.push({ url, headers: new Headers(init.headers) });
    return exports.default.fetch(new Request(url, init));
  };
  // What a test does to HTTP or to sockets is about subscriptions, or about HTTP.
  const calls = options.fetch || "WebSocket" in options ? "http" : inject("transport");
  const memx = new MemX({
    apiKey: "local_dev_key",
    baseUrl: "http://memx",
    fetch,
    WebSocket: Socket,
    calls,
    ...options,
  });
  onTestFinished(() => memx.close());
  return { memx, sockets, requests };
}
