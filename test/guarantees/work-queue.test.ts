// The work queue of docs/recipes.md: agents claim tasks by leases. Some agents stop in the middle of a task.

import { expect, it } from "vitest";
import { answer, post, request, set } from "../support/client.ts";

const TASKS = 100;
const AGENTS = 10;
const TTL_SECONDS = 1;
/** Of 10 claims: how often the agent dies in the middle of its task, and how often it outlives its lease. */
const GONE = 1;
const LATE = 1;

type Lease = {
  readonly agent: string;
  readonly task: string;
  readonly token: number;
  readonly fromMs: number;
  untilMs: number;
};

it("finishes every task, never has two live leases on a task, and refuses stale leases", async () => {
  const queue = `queue:${crypto.randomUUID()}`;
  const tasks = Array.from({ length: TASKS }, (_, n) => `${queue}:${String(n).padStart(3, "0")}`);
  await Promise.all(tasks.map((task) => set(`${task}:todo`, { task })));
  const leases: Lease[] = [];
  const stale: number[] = [];
  let claims = 0;

  /** Returns a lease, or `null` if another agent has one. */
  const claim = async (agent: string, task: string): Promise<Lease | null> => {
    const begunMs = performance.now();
    const response = await post("/set", { key: `${task}:lease`, value: agent, expect: 0, ttl: TTL_SECONDS });
    if (response.status === 409) return null;
    const { revision: token } = await answer(Promise.resolve(response));
    // The store granted the lease between request and response, so it ends no earlier than this.
    const lease = { agent, task, token, fromMs: performance.now(), untilMs: begunMs + TTL_SECONDS * 1000 };
    leases.push(lease);
    return lease;
  };

  /** Writes the result, removes the task and releases the lease, if the lease is still this one. */
  const finish = async ({ agent, task, token }: Lease) =>
    post("/batch", {
      operations: [
        { op: "check", key: `${task}:lease`, expect: token },
        { op: "set", key: `${task}:done`, value: { agent, token }, expect: 0 },
        { op: "delete", key: `${task}:todo` },
        { op: "delete", key: `${task}:lease` },
      ],
    });

  const open = async (): Promise<string[]> => {
    const { keys } = await answer<{ keys: { key: string }[] }>(request("GET", `/keys?prefix=${queue}&limit=1000`));
    return keys.filter(({ key }) => key.endsWith(":todo")).map(({ key }) => key.slice(0, -":todo".length));
  };

  const work = async (name: string): Promise<void> => {
    for (let generation = 0; ; ) {
      const todo = await open();
      if (todo.length === 0) return;
      const start = Math.floor(Math.random() * todo.length);
      let idle = true;
      for (const task of [...todo.slice(start), ...todo.slice(0, start)].slice(0, 20)) {
        const lease = await claim(`${name}.${generation}`, task);
        if (!lease) continue;
        idle = false;
        const fate = claims++ % 10;
        if (fate < GONE) {
          // The agent was killed. Another one takes its place and knows nothing of its lease.
          generation++;
          break;
        }
        if (fate < GONE + LATE) await scheduler.wait(TTL_SECONDS * 1000 + 50);
        const response = await finish(lease);
        if (response.status === 409) stale.push(lease.token);
        else await answer(Promise.resolve(response));
        lease.untilMs = Math.min(lease.untilMs, performance.now());
        break;
      }
      if (idle) await scheduler.wait(20);
    }
  };
  await Promise.all(Array.from({ length: AGENTS }, (_, n) => work(`agent-${n}`)));

  const done = await answer<{ keys: { key: string; value: { token: number } }[] }>(
    request("GET", `/keys?prefix=${queue}&limit=1000&values=true`),
  );
  expect(done.keys.filter(({ key }) => key.endsWith(":done")).map(({ key }) => key)).toEqual(
    tasks.map((task) => `${task}:done`),
  );
  expect(stale.length).toBeGreaterThan(5);
  for (const { value } of done.keys.filter(({ key }) => key.endsWith(":done")))
    expect(stale).not.toContain(value.token);
  for (const task of tasks) {
    const ofTask = leases.filter((lease) => lease.task === task).sort((a, b) => a.token - b.token);
    ofTask.slice(1).forEach((lease, index) => {
      expect(lease.fromMs, `${task}: ${JSON.stringify(ofTask)}`).toBeGreaterThanOrEqual(ofTask[index]?.untilMs ?? 0);
    });
  }
});
