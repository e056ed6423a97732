// A WebSocket without a server: the test plays the server, and sees what the client does.

import { onTestFinished } from "vitest";
import { MemX, type MemXOptions, type WebSocketLike } from "../../sdk/typescript/index.ts";

export type Puppet = WebSocketLike & {
  readonly url: string;
  readonly sent: readonly string[];
  readonly closed: boolean;
  /** Calls the client's listeners, and throws what they throw. */
  emit(type: "open" | "error" | "message" | "close", event?: object): void;
};

export type PuppetClient = {
  readonly memx: MemX;
  /** Every socket that the client has opened, the newest last. */
  readonly sockets: Puppet[];
  /** The requests over HTTP. */
  readonly requests: string[];
};

/** A client with puppets for sockets. HTTP responds to every call as `respond` says. */
export function connectPuppet(
  respond: (url: string, init: RequestInit) => Response | Promise<Response>,
  options: MemXOptions = {},
): PuppetClient {
  const sockets: Puppet[] = [];
  const requests: string[] = [];
  class Socket {
    readonly url: string;
    readonly sent: string[] = [];
    readonly #listeners: { type: string; listener: (event: never) => void }[] = [];
    closed = false;

    constructor(url: string) {
      this.url = url;
      sockets.push(this);
    }

    send(text: string): void {
      this.sent.push(text);
    }

    close(): void {
      this.closed = true;
    }

    addEventListener(type: string, listener: (event: never) => void): void {
      this.#listeners.push({ type, listener });
    }

    emit(type: string, event: object = {}): void {
      for (const each of this.#listeners) if (each.type === type) each.listener(event as never);
    }
  }
  const fetch = async (url: string, init: RequestInit) => {
    requests.push(`${init.method} ${new URL(url).pathname}`);
    return respond(url, init);
  };
  const memx = new MemX({ apiKey: "a-key", baseUrl: "http://memx", fetch, WebSocket: Socket, ...options });
  onTestFinished(() => memx.close());
  return { memx, sockets, requests };
}
