// A WebSocket between a simulated client and a simulated object. The connection outlives the object's memory; each life of the
// object sees it through a socket of its own.

import type { Random } from "../../support/random.ts";
import type { Clock } from "./clock.ts";

type Handlers = { readonly onMessage: (text: string) => void; readonly onClose: () => void };

/** What a connection tells the object that has it. */
export type Owner = {
  /** The client has closed, or has answered the object's close. */
  closed(connection: Connection, isError: boolean): void;
};

export class Connection {
  readonly #clock: Clock;
  readonly #random: Random;
  owner: Owner | undefined;
  attachment: string | undefined;
  tags: readonly string[] = [];
  state: number = WebSocket.OPEN;
  /** Whether the client's end has left the object, in a response. */
  isDelivered = false;
  #client: Handlers | undefined;
  #isClientGone = false;
  /** What has arrived at a client that does not listen yet. */
  #early: (() => void)[] = [];
  #arrivalMs = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether the client has got its end. */
  get isTaken(): boolean {
    return this.#client !== undefined;
  }

  get isClientThere(): boolean {
    return !this.#isClientGone;
  }

  // The object's side.

  send(text: string): void {
    if (this.state !== WebSocket.OPEN) throw new TypeError("the socket is closing");
    this.#toClient(() => this.#client?.onMessage(text));
  }

  close(): void {
    if (this.state !== WebSocket.OPEN) return;
    this.state = WebSocket.CLOSING;
    this.#toClient(() => this.leave(false));
  }

  /** The object crashed. */
  cut(): void {
    this.state = WebSocket.CLOSED;
    this.owner = undefined;
    this.#toClient(() => {
      this.#isClientGone = true;
      this.#client?.onClose();
    });
  }

  // The client's side.

  listen(handlers: Handlers): void {
    this.#client = handlers;
    for (const arrive of this.#early.splice(0)) arrive();
  }

  /** The client closes, or answers a close. */
  leave(isError: boolean): void {
    if (this.#isClientGone) return;
    this.#isClientGone = true;
    this.#client?.onClose();
    this.#clock.after(this.#random.number(1, 40), () => {
      if (this.state === WebSocket.OPEN) this.state = WebSocket.CLOSING;
      this.owner?.closed(this, isError);
    });
  }

  /** In order, however long each takes. */
  #toClient(arrive: () => void): void {
    this.#arrivalMs = Math.max(this.#arrivalMs, this.#clock.nowMs + this.#random.number(1, 15));
    this.#clock.after(this.#arrivalMs - this.#clock.nowMs, () => {
      if (this.#isClientGone) return;
      if (this.#client) arrive();
      else this.#early.push(arrive);
    });
  }
}

/** One end of a connection, as the code of an object has it. */
export class SimulatedSocket {
  readonly connection: Connection;
  readonly #isServer: boolean;
  /** Whether the life that has it goes on. */
  isAlive = () => true;

  constructor(connection: Connection, { isServer }: { isServer: boolean }) {
    this.connection = connection;
    this.#isServer = isServer;
  }

  get readyState(): number {
    return this.connection.state;
  }

  send(text: string): void {
    if (this.isAlive()) this.connection.send(text);
  }

  close(): void {
    if (!this.isAlive()) return;
    if (this.#isServer) this.connection.close();
    else this.connection.leave(false);
  }

  /** Works for a client's end that is still here. */
  accept(): void {
    if (this.#isServer || this.connection.isDelivered) throw new TypeError("the other side has it");
  }

  serializeAttachment(attachment: unknown): void {
    if (this.isAlive()) this.connection.attachment = JSON.stringify(attachment);
  }

  deserializeAttachment(): unknown {
    return this.connection.attachment === undefined ? null : JSON.parse(this.connection.attachment);
  }
}
