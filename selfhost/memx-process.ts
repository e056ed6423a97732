// One of the processes that serve: workerd, and with REDIS_URL its own bridge, which outlives a workerd that dies. If others
// serve meanwhile, a dead one is started again.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { storeTimeouts } from "../config/store-settings.ts";
import { removeEmptyFiles } from "./empty-files.ts";
import { type RedisBridge, startRedisBridge } from "./redis-bridge.ts";
import { REDIS_TIMEOUT_MS } from "./redis-connection.ts";
import { type Ports, runWorkerd, type Workerd } from "./workerd.ts";

const MIN_RESTART_MS = 100;
const MAX_RESTART_MS = 10_000;
/** A process that served for as long starts again without a long pause. */
const STEADY_MS = 60_000;

type Options = {
  /** For messages; `undefined` if it is the only one. */
  readonly number: number | undefined;
  readonly address: { readonly host: string; readonly port: number };
  readonly dataFolder: string;
  readonly env: NodeJS.ProcessEnv;
};

export class MemxProcess {
  /** Resolves with the exit code when it has ended for good. */
  readonly ended: Promise<number>;
  /** Resolves with the ports of its first workerd. If that exits first, it never resolves. */
  readonly listening: Promise<Ports>;
  readonly #options: Options;
  readonly #bridge: RedisBridge | undefined;
  readonly #listening = Promise.withResolvers<Ports>();
  #workerd: Workerd | undefined;
  #ports: Ports | undefined;
  #stopped = false;

  private constructor(options: Options, bridge: RedisBridge | undefined) {
    this.#options = options;
    this.#bridge = bridge;
    this.listening = this.#listening.promise;
    this.ended = this.#run();
  }

  /** @throws {Error} with one sentence for the operator */
  static async start(options: Options): Promise<MemxProcess> {
    return new MemxProcess(options, await openBridge(options.env));
  }

  /** While its workerd listens. */
  get ports(): Ports | undefined {
    return this.#ports;
  }

  stop(): void {
    this.#stopped = true;
    this.#workerd?.stop();
  }

  async #run(): Promise<number> {
    const { number } = this.#options;
    try {
      for (let pauseMs = MIN_RESTART_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_RESTART_MS)) {
        const startedAt = performance.now();
        const code = await this.#serve().catch((error: Error) => {
          console.error(error.message);
          return 1;
        });
        if (this.#stopped || number === undefined) return code;
        // A process that never served has a problem that the next one would have, too.
        if (!this.#hasServed) return code || 1;
        if (performance.now() - startedAt > STEADY_MS) pauseMs = MIN_RESTART_MS;
        console.warn(`Process ${number} of memX exited with code ${code}. Starting it again in ${pauseMs} ms.`);
        await sleep(pauseMs);
        if (this.#stopped) return code;
      }
    } finally {
      await this.#bridge?.close();
    }
  }

  #hasServed = false;

  /** Runs one workerd, and resolves with its exit code. */
  async #serve(): Promise<number> {
    const { number, address, dataFolder, env } = this.#options;
    removeEmptyFiles(join(dataFolder, "channel"));
    const bridge = this.#bridge;
    const socket = number === undefined ? undefined : await listenShared(address);
    const workerd = runWorkerd({
      ...(socket ? { socket } : { address: formatAddress(address) }),
      dataFolder,
      env: {
        ...env,
        MEMX_PROCESS: bridge && this.#name,
        ...(bridge && { UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: bridge.token }),
      },
    });
    socket?.close();
    this.#workerd = workerd;
    if (this.#stopped) workerd.stop();
    void workerd.listening.then((ports) => {
      if (this.#workerd !== workerd) return;
      this.#ports = ports;
      this.#hasServed = true;
      bridge?.tellNewsTo(`http://127.0.0.1:${ports.news}`);
      this.#listening.resolve(ports);
    });
    const code = await workerd.ended;
    this.#workerd = undefined;
    this.#ports = undefined;
    bridge?.tellNewsTo(undefined);
    return code;
  }

  /** Nobody else on this Redis may have it, and a channel writes it with each of its marks. */
  readonly #name = randomBytes(9).toString("base64url");
}

async function openBridge(env: NodeJS.ProcessEnv): Promise<RedisBridge | undefined> {
  if (!env.REDIS_URL) return undefined;
  // The bridge must not give up before memX does.
  const timeoutMs = Math.max(REDIS_TIMEOUT_MS, storeTimeouts(env).requestMs);
  return startRedisBridge({ redisUrl: env.REDIS_URL, port: 0, timeoutMs, news: true });
}

/**
 * A socket of its own for each process, on the one port: the system gives each new connection to one of them. Node would accept
 * connections as soon as it waits for events, so hand it over and close it in the same turn.
 */
async function listenShared({ host, port }: Options["address"]): Promise<Server> {
  const server = createServer();
  server.listen({ host, port, reusePort: true });
  try {
    await once(server, "listening");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTSUP") throw new Error(`memX cannot listen on ${formatAddress({ host, port })} (${code}).`);
    throw new Error("PROCESSES: this system does not share out the connections of a port. Set PROCESSES to 1.");
  }
  return server;
}

function formatAddress({ host, port }: Options["address"]): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
