// The answers of a socket of calls: joined into one frame if they come in the same turn, because a frame costs more than an answer.
// Counts what the client has not read for certain.

import { countWaiting } from "../streams/unread-streams.ts";

/** Characters of answers that are joined. A single answer may be longer. */
const JOINED_CHARS = 1024 * 1024;

/** Microtasks after the first answer of a turn within which the others follow. */
const HOPS = 30;

export class AnswerFrames {
  readonly #send: (frame: string) => void;
  readonly #waiting;
  #lines: string[] = [];
  #chars = 0;
  #planned = false;
  /** Characters sent so far, those that came before the last pong, and those that the client has read. */
  #sent = 0;
  #ponged = 0;
  #read = 0;

  /** @param drop is called if too much is unread in this isolate, and this client reads the slowest */
  constructor(send: (frame: string) => void, drop: () => void) {
    this.#send = send;
    this.#waiting = countWaiting(drop);
  }

  get unread(): number {
    return this.#sent - this.#read;
  }

  add(line: string): void {
    if (this.#chars + line.length > JOINED_CHARS) this.flush();
    this.#lines.push(line);
    this.#chars += line.length + 1;
    if (this.#planned) return;
    this.#planned = true;
    void this.#flushAfterTurn();
  }

  async #flushAfterTurn(): Promise<void> {
    for (let hop = 0; hop < HOPS; hop++) await null;
    this.#planned = false;
    this.flush();
  }

  /** Sends what waits. */
  flush(): void {
    if (this.#lines.length === 0) return;
    const frame = this.#lines.join("\n");
    this.#lines = [];
    this.#chars = 0;
    this.#sent += frame.length;
    this.#waiting.add(frame.length);
    this.#send(frame);
  }

  /** Responds to a ping. The client sends the next one after this pong, and so after it has read everything before. */
  pong(): void {
    this.flush();
    this.#waiting.add(this.#read - this.#ponged);
    this.#read = this.#ponged;
    this.#ponged = this.#sent;
    this.#send("pong");
  }

  end(): void {
    this.#waiting.end();
    this.#lines = [];
  }
}
