// The SDK on the Worker of the test's project: HTTP goes to the Worker directly, and a test can cut or silence sockets.

import { exports } from "cloudflare:workers";
import { onTestFinished } from "vitest";
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
    return socket;
  }

  #emit(type: string, event: object): void {
    for (const each of this.#listeners) if (each.type === type) each.listener(event as never);
  }
}

export type TestClient = {
  readonly memx: MemX;
  /** Every socket that the client has opened, the newest last. */
  readonly sockets: TestSocket[];
  readonly requests: { readonly url: string; readonly headers: Headers }[];
};

export function connectMemx(options: MemXOptions = {}): TestClient {
  const sockets: TestSocket[] = [];
  const requests: TestClient["requests"] = [];
  class Socket extends TestSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const fetch = async (url: string, init: RequestInit) => {
    requests.push({ url, headers: new Headers(init.headers) });
    return exports.default.fetch(new Request(url, init));
  };
  const memx = new MemX({ apiKey: "local_dev_key", baseUrl: "http://memx", fetch, WebSocket: Socket, ...options });
  onTestFinished(() => memx.close());
  return { memx, sockets, requests };
}
