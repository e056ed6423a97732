// Many agents and one list of tasks, without a queue or a coordinator. Each agent takes a task with a lease, works, and
// writes the result only if it still holds the lease. Some agents stop in the middle, and others take over their tasks.

import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
// Outside this repository, install memx-sdk and import from "memx-sdk".
import { ConflictError, type Lease, LeaseLostError, MemX } from "../../sdk/typescript/index.ts";

const AGENTS = Number(process.env.AGENTS ?? 20);
const TASKS = Number(process.env.TASKS ?? 60);
/** An agent that takes longer for a task loses it to another. */
const LEASE_SECONDS = Number(process.env.LEASE_SECONDS ?? 1);
const apiKey = process.env.MEMX_API_KEY ?? "local_dev_key";
const run = `queue:${randomUUID().slice(0, 8)}`;
const names = Array.from({ length: TASKS }, (_, n) => `${run}:task:${String(n).padStart(3, "0")}`);

type Result = { readonly sum: number; readonly by: string; readonly token: number };

const memx = new MemX({ apiKey });
await memx.health().catch(() => {
  console.error("memX does not respond. Start it with `make dev`, or set MEMX_BASE_URL to its address.");
  process.exit(1);
});
for (const name of names) await memx.set(name, { from: 1, to: 1_000 });
console.log(`${TASKS} tasks, ${AGENTS} agents`);

const stopped = await Promise.all(Array.from({ length: AGENTS }, (_, n) => work(`agent ${n}`, n % 5 === 0)));

const { entries: results } = await memx.getMany<Result>(names.map((name) => `${name}:result`));
const history = await Promise.all(names.map((name) => Array.fromAsync(memx.history(`${name}:result`))));
const done = results.filter((result) => result?.value.sum === 500_500).length;
const twice = history.filter((changes) => changes.length > 1).length;
console.log(
  `${done} of ${TASKS} done, ${twice} done twice, ${stopped.filter(Boolean).length} agents stopped in the middle`,
);
process.exit(done === TASKS && twice === 0 ? 0 : 1);

/** Works until every task has its result. An agent that `fails` takes a task and stops, without releasing its lease. */
async function work(agent: string, fails: boolean): Promise<boolean> {
  using mine = new MemX({ apiKey });
  for (;;) {
    const open = await openTasks(mine);
    if (open.length === 0) return false;
    const name = open[Math.floor(Math.random() * open.length)] as string;
    const lease = await take(mine, `${name}:lease`, agent);
    if (!lease) {
      await delay(50);
      continue;
    }
    if (fails) {
      lease.abandon();
      console.log(`${agent} stops in the middle of ${name}`);
      return true;
    }
    await finish(mine, name, lease, agent);
    await lease.release();
  }
}

async function openTasks(mine: MemX): Promise<string[]> {
  const keys = new Set<string>();
  for await (const { key } of mine.keys({ prefix: `${run}:` })) keys.add(key);
  return names.filter((name) => !keys.has(`${name}:result`));
}

async function take(mine: MemX, key: string, holder: string): Promise<Lease | undefined> {
  try {
    return await mine.lease(key, { ttl: LEASE_SECONDS, holder });
  } catch (error) {
    // Another agent has it, or memX responded too late.
    if (error instanceof ConflictError || error instanceof LeaseLostError) return undefined;
    throw error;
  }
}

/** Writes the result and checks the lease in one step, so an agent that has lost the lease writes nothing. */
async function finish(mine: MemX, name: string, lease: Lease, by: string): Promise<void> {
  const task = await mine.get<{ from: number; to: number }>(name);
  if (!task) return;
  await delay(20 * Math.random());
  const { from, to } = task.value;
  const result: Result = { sum: ((from + to) * (to - from + 1)) / 2, by, token: lease.token };
  try {
    await mine.batch([
      { op: "check", key: lease.key, expect: lease.revision },
      { op: "set", key: `${name}:result`, value: result, expect: 0 },
    ]);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    console.log(`${by} was too late for ${name}`);
  }
}
