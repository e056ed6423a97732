// As much of Redis's protocol (RESP 2) as reading an original memX takes: commands one after the other, over TCP or TLS.
// Not a client for anything else.

import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";

/** Redis does not respond, or refuses a command. */
export class RedisError extends Error {}

export type Reply = string | number | Buffer | null | Reply[];

const CR = 13;
const SILENCE_MS = 30_000;

export class Redis {
  readonly #socket: ReturnType<typeof connect>;
  readonly #place: string;
  readonly #chunks: AsyncIterator<Buffer>;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;

  private constructor(socket: ReturnType<typeof connect>, place: string) {
    this.#socket = socket;
    this.#place = place;
    this.#chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Without a password in the URL, takes that of `REDISCLI_AUTH`, as redis-cli does. @throws {RedisError} */
  static async open({ protocol, hostname, port, username, password, pathname }: URL): Promise<Redis> {
    const host = hostname.replace(/^\[|\]$/g, "") || "127.0.0.1";
    const options = { host, port: Number(port || 6379) };
    const isTls = protocol === "rediss:";
    const socket = isTls ? connectTls({ ...options, servername: host }) : connect(options);
    const place = `${hostname || host}:${options.port}`;
    socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error(`no response within ${SILENCE_MS} ms`)));
    try {
      await once(socket, isTls ? "secureConnect" : "connect");
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      throw new RedisError(`Redis cannot be reached at ${place}: ${message || code}`);
    }
    const redis = new Redis(socket, place);
    try {
      const secret = password ? decodeURIComponent(password) : process.env.REDISCLI_AUTH;
      const user = username ? [decodeURIComponent(username)] : [];
      if (secret) await redis.send("AUTH", ...user, secret);
      const database = pathname.slice(1);
      if (database) await redis.send("SELECT", database);
    } catch (error) {
      redis.close();
      throw error;
    }
    return redis;
  }

  /** @throws {RedisError} */
  async send(...command: (string | Buffer)[]): Promise<Reply> {
    const parts = command.flatMap((part) => [Buffer.from(`$${Buffer.byteLength(part)}\r\n`), Buffer.from(part), CRLF]);
    try {
      this.#socket.write(Buffer.concat([Buffer.from(`*${command.length}\r\n`), ...parts]));
      return await this.#read();
    } catch (error) {
      if (error instanceof RedisError) throw error;
      throw new RedisError(`Redis at ${this.#place}: ${(error as Error).message}`);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  async #read(): Promise<Reply> {
    const line = (await this.#readLine()).toString();
    const rest = line.slice(1);
    switch (line[0]) {
      case "+":
        return rest;
      case ":":
        return Number(rest);
      case "-":
        throw new RedisError(`Redis at ${this.#place} refuses: ${rest}`);
      case "$":
        return rest === "-1" ? null : this.#readBulk(Number(rest));
      case "*": {
        const replies: Reply[] = [];
        for (let left = Number(rest); left > 0; left--) replies.push(await this.#read());
        return replies;
      }
      default:
        throw new RedisError(`No Redis is at ${this.#place}.`);
    }
  }

  async #readLine(): Promise<Buffer> {
    for (let from = this.#at; ; ) {
      const end = this.#buffer.indexOf(CR, from);
      if (end !== -1 && end + 1 < this.#buffer.length) {
        const line = this.#buffer.subarray(this.#at, end);
        this.#at = end + 2;
        return line;
      }
      const scanned = Math.max(this.#at, end === -1 ? this.#buffer.length : end) - this.#at;
      await this.#readMore();
      from = this.#at + scanned;
    }
  }

  async #readBulk(length: number): Promise<Buffer> {
    if (this.#buffer.length - this.#at >= length + 2) {
      this.#at += length + 2;
      return this.#buffer.subarray(this.#at - length - 2, this.#at - 2);
    }
    // In one step, because joining what has come with each chunk would copy a large value many times.
    const parts = [this.#buffer.subarray(this.#at)];
    for (let have = this.#buffer.length - this.#at; have < length + 2; ) {
      const chunk = await this.#nextChunk();
      parts.push(chunk);
      have += chunk.length;
    }
    [this.#buffer, this.#at] = [Buffer.concat(parts), length + 2];
    return this.#buffer.subarray(0, length);
  }

  async #readMore(): Promise<void> {
    this.#buffer = Buffer.concat([this.#buffer.subarray(this.#at), await this.#nextChunk()]);
    this.#at = 0;
  }

  async #nextChunk(): Promise<Buffer> {
    const { value, done } = await this.#chunks.next();
    if (done) throw new RedisError(`Redis at ${this.#place} has closed the connection.`);
    return value;
  }
}

const CRLF = Buffer.from("\r\n");
