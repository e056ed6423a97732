// The option `reads` of the client: what it asks for, and what that is worth where reads come from a replica that lags. memX has
// no replica yet, so one stands in front of it here, which keeps to the protocol and is otherwise as bad as it may be.

import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { MemX, type MemXOptions } from "../../sdk/typescript/index.ts";
import { createRandom, type Random } from "../support/random.ts";

type Fetch = NonNullable<MemXOptions["fetch"]>;

const toMemx: Fetch = (url, init) => exports.default.fetch(new Request(url, init as RequestInit));
const options = { baseUrl: "http://memx", apiKey: "local_dev_key", calls: "http" } as const;

describe("the client", () => {
  async function asked(reads: MemXOptions["reads"], use: (memx: MemX) => Promise<unknown>): Promise<string[]> {
    const requests: string[] = [];
    const fetch: Fetch = (url, init) => {
      requests.push(`${new URL(url).search}${(init as { body?: string }).body ?? ""}`);
      return toMemx(url, init);
    };
    using memx = new MemX({ ...options, fetch, ...(reads !== undefined && { reads }) });
    await use(memx);
    return requests;
  }
  const readAll = async (memx: MemX, key: string) => {
    await memx.get(key);
    await memx.getMany([key]);
    await memx.keys({ prefix: key }).next();
  };

  it("asks for nothing by default, but knows what it has seen", async () => {
    const key = crypto.randomUUID();
    const requests = await asked(undefined, async (memx) => {
      expect(memx.revision).toBe(0);
      const { revision } = await memx.set(key, 1);
      expect(memx.revision).toBeGreaterThanOrEqual(revision);
      await readAll(memx, key);
    });
    expect(requests.filter((request) => /min_revision|max_age/.test(request))).toEqual([]);
  });

  it("asks for what it has seen with `session`: its writes, its reads, and what others told it", async () => {
    const key = crypto.randomUUID();
    const requests = await asked("session", async (memx) => {
      await memx.get(key);
      const { revision } = await memx.set(key, 1);
      expect(memx.revision).toBe(revision);
      await readAll(memx, key);
      using other = new MemX({ ...options, fetch: toMemx });
      const later = await other.set(key, 2);
      memx.seen(later.revision);
      memx.seen(revision);
      expect((await memx.get(key))?.value).toBe(2);
      expect(memx.revision).toBeGreaterThanOrEqual(later.revision);
    });
    const revisions = requests.map((request) => Number(/"?min_revision"?[=:](\d+)/.exec(request)?.[1] ?? 0));
    expect(revisions.slice(0, 2)).toEqual([0, 0]);
    expect(revisions.slice(2).every((revision) => revision > 0)).toBe(true);
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
  });

  it("asks for an age with `maxAge`", async () => {
    const requests = await asked({ maxAge: 2 }, (memx) => readAll(memx, "a"));
    expect(requests).toEqual(["?key=a&max_age=2", '{"keys":["a"],"max_age":2}', "?prefix=a&limit=1000&max_age=2"]);
  });

  it("knows of what its subscriptions receive", async () => {
    const key = crypto.randomUUID();
    using memx = new MemX({ ...options, fetch: toMemx, WebSocket: null });
    using other = new MemX({ ...options, fetch: toMemx });
    const changes = memx.subscribe(key);
    await changes.ready;
    const { revision } = await other.set(key, 1);
    for await (const _ of changes) break;
    expect(memx.revision).toBeGreaterThanOrEqual(revision);
  });

  it("says once that the memory has lost what it has seen, and then goes on", async () => {
    using memx = new MemX({ ...options, fetch: toMemx, reads: "session" });
    memx.seen(Number.MAX_SAFE_INTEGER);
    await expect(memx.get("a")).rejects.toMatchObject({ code: "revision_ahead", status: 412 });
    const { revision } = memx;
    expect(revision).toBeLessThan(Number.MAX_SAFE_INTEGER);
    await memx.get("a");
    expect(memx.revision).toBeGreaterThanOrEqual(revision);
  });

  it.each([["weak"], [{ maxAge: -1 }], [{ maxAge: "2" }], [{ maxAge: 1, other: 2 }], [null]])("refuses %j", (reads) => {
    expect(() => new MemX({ ...options, reads: reads as never })).toThrow(/`reads` must be/);
  });

  it.each([[-1], [1.5], [Number.NaN], ["7"]])("refuses that somebody has seen %j", (revision) => {
    using memx = new MemX(options);
    expect(() => memx.seen(revision as never)).toThrow(/revision/);
  });
});

describe("a replica that lags and is cut off", () => {
  const SEEDS = 40;

  it(`shows each agent all that it knows, in ${SEEDS} random runs with \`session\``, async () => {
    const runs = await Promise.all(Array.from({ length: SEEDS }, (_, seed) => run(`session ${seed}`, "session")));
    expect(runs.flatMap(({ violations }) => violations)).toEqual([]);
    // The replica did answer, and was old.
    expect(runs.reduce((sum, { stale }) => sum + stale, 0)).toBeGreaterThan(SEEDS);
  });

  it("and never shows more age than `maxAge`", async () => {
    const runs = await Promise.all(Array.from({ length: SEEDS }, (_, seed) => run(`age ${seed}`, { maxAge: 2 })));
    expect(Math.max(...runs.map(({ oldest }) => oldest))).toBeLessThanOrEqual(2);
    expect(runs.reduce((sum, { stale }) => sum + stale, 0)).toBeGreaterThan(SEEDS);
  });

  it("shows agents less than they know if the tokens are not sent, which the check notices", async () => {
    const runs = await Promise.all(Array.from({ length: 4 }, (_, seed) => run(`none ${seed}`, "session", true)));
    expect(runs.flatMap(({ violations }) => violations).length).toBeGreaterThan(0);
  });
});

type LoggedChange = { readonly key: string; readonly revision: number; readonly value: number | null };

/**
 * Eight agents write, delete, read and hand their tokens on, at random.
 * @param forgetful removes the tokens from the requests
 */
async function run(seed: string, reads: MemXOptions["reads"], forgetful = false) {
  const random = createRandom(seed);
  const prefix = `${crypto.randomUUID()}:`;
  const replica = new Replica(random, forgetful);
  const agents = Array.from({ length: 8 }, () => ({
    memx: new MemX({ ...options, fetch: replica.fetch, reads: reads as never }),
    /** For each key, the revision of the newest change that the agent knows of. */
    known: new Map<string, number>(),
  }));
  const violations: string[] = [];
  for (let step = 0; step < 150; step++) {
    replica.tick();
    const agent = random.pick(agents);
    const key = `${prefix}${random.integer(0, 3)}`;
    const learn = (revision: number) => agent.known.set(key, Math.max(revision, agent.known.get(key) ?? 0));
    switch (random.pick(["set", "set", "delete", "read", "read", "read", "read", "tell"])) {
      case "set": {
        const { revision } = await agent.memx.set(key, step);
        replica.log.push({ key, revision, value: step });
        learn(revision);
        break;
      }
      case "delete": {
        const { deleted, revision } = await agent.memx.delete(key);
        if (deleted) replica.log.push({ key, revision, value: null });
        if (deleted) learn(revision);
        break;
      }
      case "read": {
        const entry = await agent.memx.get<number>(key);
        const must = agent.known.get(key) ?? 0;
        const shown = replica.log.findLast((change) => change.key === key && change.value === (entry?.value ?? null));
        if (entry && entry.revision < must) violations.push(`${seed}: ${step} shows ${entry.revision}, not ${must}`);
        if (!entry && must > 0 && (shown?.revision ?? 0) < must) violations.push(`${seed}: ${step} shows nothing`);
        if (entry) learn(entry.revision);
        break;
      }
      case "tell": {
        const other = random.pick(agents);
        other.memx.seen(agent.memx.revision);
        for (const [known, revision] of agent.known) {
          other.known.set(known, Math.max(revision, other.known.get(known) ?? 0));
        }
      }
    }
  }
  for (const { memx } of agents) memx.close();
  const { stale, oldest } = replica;
  return { violations, stale, oldest };
}

/** Answers `/get` from an old state if the request allows it. Time passes by steps, half a second each. */
class Replica {
  readonly log: LoggedChange[] = [];
  readonly #random: Random;
  readonly #forgetful: boolean;
  #nowS = 0;
  /** The replica has the first so many changes of the log, which were all of them at that time. */
  #has = 0;
  #asOfS = 0;
  #cutUntilS = 0;
  stale = 0;
  oldest = 0;

  constructor(random: Random, forgetful: boolean) {
    this.#random = random;
    this.#forgetful = forgetful;
  }

  tick(): void {
    this.#nowS += 0.5;
    if (this.#random.chance(0.02)) this.#cutUntilS = this.#nowS + this.#random.integer(1, 10);
    if (this.#nowS < this.#cutUntilS || this.#random.chance(0.7)) return;
    this.#has = this.log.length;
    this.#asOfS = this.#nowS;
  }

  readonly fetch: Fetch = async (url, init) => {
    const { pathname, searchParams } = new URL(url);
    if (pathname !== "/get") return toMemx(url, init);
    const minRevision = this.#forgetful ? 0 : Number(searchParams.get("min_revision") ?? 0);
    const maxAge = searchParams.get("max_age");
    const state = this.log.slice(0, this.#has);
    const revision = state.at(-1)?.revision ?? 0;
    const age = this.#nowS - this.#asOfS;
    const isAllowed = maxAge === null ? true : age <= Number(maxAge);
    if (revision < minRevision || !isAllowed) return toMemx(url, init);
    if (this.#has < this.log.length) this.stale++;
    this.oldest = Math.max(this.oldest, age);
    const last = state.findLast(({ key }) => key === searchParams.get("key"));
    const entry = last && last.value !== null ? { value: last.value, ts: 1, revision: last.revision } : null;
    return Response.json(entry, { headers: { "memx-revision": String(revision) } });
  };
}
