// Kills memX again and again while clients set, read, delete and write batches. Afterwards the log has every acknowledged
// write, each batch completely or not at all, and one change for each revision that anyone ever saw. A long run kills it
// 200 times, and lets Porcupine judge each history.

import { once } from "node:events";
import { cpSync, rmSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { amount, isLong } from "../support/long-runs.ts";
import { createRandom, type Random } from "../support/random.ts";
import { killGroup } from "./support/dev-server.ts";
import { judge, type Operation, type Version } from "./support/history.ts";
import { newDisk, startWorkerd, type Workerd } from "./support/workerd.ts";

const RUNS = amount(1, 20);
const KILLS = isLong ? 10 : 3;
const CLIENTS = 6;
const KEYS = ["r:0", "r:1", "r:2", "r:3"];
const BATCH_WRITERS = 2;
const PARTS = Array.from({ length: 25 }, (_, n) => `part:${n}`);
const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };

/** Of all runs. */
const total = { kills: 0, writes: 0, batches: 0, cutOff: 0 };

type Change = { event: string; action: string; key: string; value?: string; revision: number };

/** One run: a disk, and the clients of its memX through all kills. */
class Run {
  readonly history: Operation[] = [];
  /** The change of each revision that a response, a read or an event has told. */
  readonly told = new Map<number, string>();
  readonly batches = { acknowledged: new Set<string>(), count: 0 };
  readonly faults: string[] = [];
  /** Calls with a response. */
  answered = 0;
  isOver = false;
  #memx: Promise<Workerd>;
  readonly #disk: string;

  constructor(disk: string) {
    this.#disk = disk;
    this.#memx = this.#start();
  }

  /** Resolves when memX responds, and says again where it is. */
  get memx(): Promise<Workerd> {
    return this.#memx;
  }

  /** Resolves after some more calls have had a response. */
  async progress(): Promise<void> {
    const before = this.answered;
    await expect.poll(() => this.answered).toBeGreaterThan(before + 40);
  }

  /** Kills memX, and starts it again after `meanwhile` has had the disk. */
  async kill(meanwhile: (disk: string) => void): Promise<void> {
    const { process } = await this.#memx;
    const ended = once(process, "exit");
    const restarted = Promise.withResolvers<Workerd>();
    this.#memx = restarted.promise;
    killGroup(process.pid);
    await ended;
    meanwhile(this.#disk);
    this.#start().then(restarted.resolve, restarted.reject);
    await this.#memx;
  }

  /** Returns `undefined` if memX was killed during the call. */
  async send(path: string, body?: object): Promise<{ status: number; body: never } | undefined> {
    const { url } = await this.#memx;
    const init = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
    try {
      const response = await fetch(url + path, init);
      const text = await response.text();
      this.answered++;
      return { status: response.status, body: JSON.parse(text) as never };
    } catch {
      return undefined;
    }
  }

  /** As `send`, while memX runs. */
  async ask<Body>(path: string, body?: object): Promise<Body> {
    const response = await this.send(path, body);
    if (response?.status !== 200) throw new Error(`${path}: ${JSON.stringify(response)}`);
    return response.body;
  }

  /** Remembers which change a revision stands for, or finds that it stands for two. */
  tell(revision: number, change: string, by: string): void {
    const known = this.told.get(revision);
    if (known !== undefined && known !== change) {
      this.faults.push(`${by}: revision ${revision} is of "${change}", and was of "${known}"`);
    }
    this.told.set(revision, change);
  }

  tellCurrent(key: string, current: Version | null | undefined, by: string): void {
    if (current) this.tell(current.revision, nameOf("set", key, current.value), by);
  }

  /** With a log so long that no restart falls out of it. */
  #start(): Promise<Workerd> {
    return startWorkerd({ disk: this.#disk, bindings: { LOG_LENGTH: "1000000" } });
  }
}

const nameOf = (action: string, key: string, value?: string) => `${action} ${key} ${value ?? ""}`;

/** Nanoseconds of a clock that all clients share. */
const now = () => Math.round(performance.now() * 1e6);

/** Sets, reads and deletes keys that it shares with the others, mostly under a condition that it believes in. */
async function useKeys(run: Run, client: number, random: Random): Promise<void> {
  const seen = new Map<string, Version | null>();
  for (let n = 0; !run.isOver; n++) {
    const key = random.pick(KEYS);
    const op = random.pick(["set", "set", "set", "get", "get", "delete"] as const);
    const known = random.chance(0.6) ? seen.get(key) : undefined;
    const expected = op === "get" || known === undefined ? undefined : (known ?? { value: "", revision: 0 });
    const value = `${client}.${n}`;
    const call = now();
    const response =
      op === "get"
        ? await run.send(`/get?key=${key}`)
        : await run.send(`/${op}`, {
            key,
            ...(op === "set" && { value }),
            ...(expected && { expect: expected.revision }),
          });
    const operation = { client, key, op, ...(op === "set" && { value }), ...(expected && { expect: expected }), call };
    if (response === undefined) {
      // A read without a response says nothing.
      if (op !== "get") run.history.push({ ...operation, outcome: "unknown" });
      seen.delete(key);
      continue;
    }
    const { status, body } = response;
    const ended = { ...operation, return: now() };
    if (status === 409 || (status === 200 && op === "get")) {
      const current = status === 409 ? (body as { current: Version | null }).current : (body as Version | null);
      run.tellCurrent(key, current, `client ${client}`);
      seen.set(key, current);
      const outcome = status === 409 ? "conflict" : "read";
      run.history.push({ ...ended, outcome, ...(current && { current: versionOf(current) }) });
    } else if (status === 200) {
      const { revision, deleted } = body as { revision: number; deleted?: boolean };
      if (deleted !== false) run.tell(revision, nameOf(op, key, operation.value), `client ${client}`);
      run.history.push({ ...ended, outcome: deleted === false ? "nothing" : "applied", revision });
      seen.set(key, op === "set" ? { value, revision } : null);
    } else {
      run.faults.push(`${op} ${key}: ${status} ${JSON.stringify(body)}`);
    }
  }
}

const versionOf = ({ value, revision }: Version): Version => ({ value, revision });

/** Writes batches of which every part has the same value. */
async function writeBatches(run: Run, writer: number): Promise<void> {
  while (!run.isOver) {
    const value = `${writer}.${run.batches.count++}`;
    const operations = PARTS.map((key) => ({ op: "set", key, value }));
    const response = await run.send("/batch", { operations });
    if (!response) continue;
    const { status, body } = response as { status: number; body: { results: { revision: number }[] } };
    if (status !== 200) {
      run.faults.push(`batch ${value}: ${status} ${JSON.stringify(body)}`);
      continue;
    }
    run.batches.acknowledged.add(value);
    for (const [part, { revision }] of body.results.entries()) {
      run.tell(revision, nameOf("set", PARTS[part] as string, value), `batch ${value}`);
    }
  }
}

/** Sees changes as they are announced, without asking for those it missed: the log must not contradict what it saw. */
async function watch(run: Run): Promise<void> {
  while (!run.isOver) {
    const { url } = await run.memx;
    await new Promise<void>((resolve) => {
      const socket = new WebSocket(`${url.replace("http", "ws")}/watch?pattern=*`, { headers } as never);
      socket.addEventListener("message", ({ data }) => {
        const { action, key, value, revision } = JSON.parse(data as string) as Change;
        run.tell(revision, nameOf(action, key, value), "an event");
      });
      socket.addEventListener("close", () => resolve());
      socket.addEventListener("error", () => resolve());
      const closing = setInterval(() => {
        if (!run.isOver) return;
        clearInterval(closing);
        socket.close();
        resolve();
      }, 50);
      socket.addEventListener("close", () => clearInterval(closing));
    });
  }
}

/** Reads the whole log after `since`. */
async function readLog(run: Run, since: number): Promise<Change[]> {
  const changes: Change[] = [];
  for (let from = since; ; ) {
    const path = `/changes?pattern=*&wait=0&since=${from}`;
    const page = await run.ask<{ changes: Change[]; revision: number; reset: boolean }>(path);
    if (page.reset) throw new Error("The log does not reach back.");
    changes.push(...page.changes);
    if (page.changes.length === 0) return changes;
    from = page.revision;
  }
}

/** Adds the faults of a log to the run: gaps, torn batches, and acknowledged writes that it does not have. */
function checkLog(run: Run, log: readonly Change[], first: number): void {
  const parts = new Map<string, number[]>();
  for (const [n, { action, key, value, revision }] of log.entries()) {
    if (revision !== first + n) run.faults.push(`revision ${first + n} is missing, before ${revision}`);
    run.tell(revision, nameOf(action, key, value), "the log");
    if (key.startsWith("part:")) parts.set(value as string, [...(parts.get(value as string) ?? []), revision]);
  }
  const last = log.at(-1)?.revision ?? 0;
  const lost = [...run.told.keys()].filter((revision) => revision > last || revision < first);
  if (lost.length > 0) run.faults.push(`lost: ${lost.map((revision) => run.told.get(revision)).join("; ")}`);
  for (const [value, revisions] of parts) {
    const isWhole =
      revisions.length === PARTS.length && Number(revisions.at(-1)) - Number(revisions[0]) + 1 === PARTS.length;
    if (!isWhole) run.faults.push(`batch ${value} is torn: ${revisions.join()}`);
  }
  for (const value of run.batches.acknowledged) if (!parts.has(value)) run.faults.push(`batch ${value} is lost`);
}

/** Adds a fault for each key that does not hold what the log says. */
async function checkValues(run: Run, log: readonly Change[]): Promise<void> {
  const keys = [...KEYS, ...PARTS];
  const { entries } = await run.ask<{ entries: (Version | null)[] }>("/read", { keys });
  for (const [n, key] of keys.entries()) {
    const last = log.findLast((change) => change.key === key);
    const wanted = last?.action === "set" ? last.revision : undefined;
    if (entries[n]?.revision !== wanted) {
      run.faults.push(`${key} has revision ${entries[n]?.revision}, and ${wanted} in the log`);
    }
    run.tellCurrent(key, entries[n], "a read");
  }
}

/** The history with a read of a value that another write had replaced before the read began, if it has such a read. */
function withStaleRead(history: readonly Operation[]): Operation[] | undefined {
  const sets = history.filter(({ op, outcome }) => op === "set" && outcome === "applied");
  for (const [n, read] of history.entries()) {
    if (read.outcome !== "read") continue;
    const before = sets.filter(({ key, return: end }) => key === read.key && Number(end) < read.call);
    const old = before.find((set) => before.some(({ call }) => call > Number(set.return)));
    if (!old) continue;
    return history.with(n, { ...read, current: { value: String(old.value), revision: Number(old.revision) } });
  }
  return undefined;
}

/** Runs clients through kills, and looks for faults. */
async function killAgainAndAgain(kills: number, { forgets = false } = {}): Promise<Run> {
  const random = createRandom(String(Math.random()));
  const run = new Run(newDisk());
  const { revision: first } = await run.ask<Change>("/set", { key: "begin", value: "" });
  run.tell(first, nameOf("set", "begin", ""), "the first write");
  const work = Promise.all([
    ...Array.from({ length: CLIENTS }, (_, n) => useKeys(run, n, random.fork(`client ${n}`))),
    ...Array.from({ length: BATCH_WRITERS }, (_, n) => writeBatches(run, n)),
    watch(run),
  ]);
  const copy = newDisk();
  for (let kill = 0; kill < kills; kill++) {
    await run.progress();
    await new Promise((resolve) => setTimeout(resolve, random.number(0, 100)));
    await run.kill((disk) => {
      if (!forgets) return;
      // The disk goes back to its state at the kill before.
      if (kill === kills - 2) cpSync(disk, copy, { recursive: true });
      if (kill !== kills - 1) return;
      rmSync(disk, { recursive: true });
      cpSync(copy, disk, { recursive: true });
    });
  }
  await run.progress();
  run.isOver = true;
  await work;
  const begin = { event: "value", action: "set", key: "begin", value: "", revision: first };
  const log = [begin, ...(await readLog(run, first))];
  checkLog(run, log, first);
  await checkValues(run, log);
  return run;
}

it.each(Array.from({ length: RUNS }, (_, n) => n + 1))(
  `run %i: loses no acknowledged write, tears no batch, and gives no revision twice in ${KILLS} kills`,
  {
    tags: ["long"],
  },
  async () => {
    const { faults, batches, history } = await killAgainAndAgain(KILLS);
    expect(faults.slice(0, 20).join("\n")).toBe("");

    const count = (test: (operation: Operation) => boolean) => history.filter(test).length;
    // The run had the cases that it is about: calls cut off by a kill, conditions that held and that did not, and batches.
    expect(batches.acknowledged.size).toBeGreaterThan(KILLS);
    expect(count(({ outcome }) => outcome === "conflict")).toBeGreaterThan(KILLS);
    expect(count(({ outcome, expect }) => outcome === "applied" && expect !== undefined)).toBeGreaterThan(KILLS);
    expect(count(({ outcome }) => outcome === "unknown")).toBeGreaterThan(0);

    total.kills += KILLS;
    total.writes += count(({ outcome }) => outcome === "applied");
    total.batches += batches.acknowledged.size;
    total.cutOff += count(({ outcome }) => outcome === "unknown");
    // Porcupine needs Go, which only a long run installs.
    if (!isLong) return;
    expect(judge(history).report).toContain(`${history.length} operations, Ok`);
    const stale = withStaleRead(history);
    expect(stale && judge(stale).isLinearizable).toBe(false);
  },
);

afterAll(() => {
  if (isLong) console.log(JSON.stringify(total));
});

it("finds lost writes and revisions that are given twice if the disk forgets its last second", {
  tags: ["long"],
}, async () => {
  const { faults, history } = await killAgainAndAgain(2, { forgets: true });
  expect(faults.join("\n")).toMatch(/: revision \d+ is of ".*", and was of "/);
  expect(faults.join("\n")).toMatch(/^lost: |is lost$/m);
  if (isLong) expect(judge(history).isLinearizable).toBe(false);
});
