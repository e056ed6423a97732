// Random and hostile frames on sockets of calls, while another socket goes on working. `FUZZ_FRAMES=100000` sends as many.

import { expect, it } from "vitest";
import { ERROR_STATUS } from "../../sdk/protocol.ts";
import { randomFrame } from "../fuzz/frames.ts";
import { ALL_MARKS, LIST, TENANTS, type Tenant } from "../fuzz/tenants.ts";
import { amount, isLong } from "../support/long-runs.ts";
import { createRandom } from "../support/random.ts";
import { settingsOf } from "./support/bridged-redis.ts";
import { connectRawCalls, type RawCalls } from "./support/raw-calls.ts";
import { ENGINES } from "./support/self-hosted.ts";
import { rssOf } from "./support/usage.ts";
import { startWorkerd } from "./support/workerd.ts";

const frames = Number(process.env.FUZZ_FRAMES || amount(3_000, 20_000));
const seed = process.env.FUZZ_SEED || String(isLong ? Date.now() : 1);
/** Those of docs/protocol.md that a frame can cause. The last two come from workerd itself. */
const CLOSES = new Set<number | undefined>([4422, 1013, 1002, 1009]);
const MAX_RSS_MIB = 800;
const ATTACKERS = TENANTS.filter(({ apiKey }) => apiKey !== undefined && apiKey !== "fuzz-key-of-nobody");

it.each(isLong ? ENGINES : (["embedded"] as const))(
  `answers ${frames} random frames of seed ${seed}, or closes the socket with a documented code, on the %s store`,
  {
    tags: ["long"],
    timeout: 180_000 + frames * 60,
  },
  async (engine) => {
    const memx = await startWorkerd({ bindings: { MEMX_ACL: JSON.stringify(LIST), ...(await settingsOf(engine)) } });
    const faults: string[] = [];
    const closes: Record<string, number> = {};
    const statuses: Record<number, number> = {};
    const rss: number[] = [];
    let sent = 0;
    let over = false;

    const attack = async (tenant: Tenant, index: number) => {
      const random = createRandom(`${seed}/${index}`);
      let id = 0;
      const nextId = () => ++id;
      let connection: RawCalls | undefined;
      while (sent < frames && faults.length < 5) {
        connection ??= await connectRawCalls(memx.port, tenant.apiKey);
        const { answers, closed, pongs, send, sendFrame }: RawCalls = connection;
        let isClosed = false;
        void closed.then(() => {
          isClosed = true;
        });
        const frame = randomFrame(random, tenant, nextId);
        if (sent++ % Math.ceil(frames / 20) === 0) rss.push(rssOf(memx.process.pid));
        for (const [opcode, payload, last] of frame.parts) await sendFrame(opcode, payload, { last });
        const before = pongs();
        await send("ping");
        const isAnswered = () => pongs() > before && frame.ids.every((each) => answers.has(each));
        await waitFor(() => isClosed || isAnswered(), describe(tenant, frame.parts));
        for (const [answered, { status, body }] of answers) {
          statuses[status] = (statuses[status] ?? 0) + 1;
          const fault = faultOf(tenant, status, body);
          if (fault)
            faults.push(
              `${fault}\n  ${answered}: ${JSON.stringify(body).slice(0, 300)}\n  ${describe(tenant, frame.parts)}`,
            );
        }
        (answers as Map<number, unknown>).clear();
        if (!isClosed) continue;
        const code = await closed;
        closes[`${code}`] = (closes[`${code}`] ?? 0) + 1;
        // A close frame of the client gets its own code back.
        const isEcho = frame.parts.some(([opcode]) => opcode === 8);
        if (!isEcho && !CLOSES.has(code)) faults.push(`closed with ${code}\n  ${describe(tenant, frame.parts)}`);
        connection = undefined;
      }
      connection?.reset();
    };

    /** Counts one key up over one socket, which must not notice any of it. */
    const goOn = async (): Promise<number> => {
      const { answers, send } = await connectRawCalls(memx.port, "fuzz-key-of-nobody");
      let n = 0;
      while (!over) {
        n++;
        await send(`{"id":${n},"call":"patch","body":{"key":"count","increment":{"by":1}}}`);
        await waitFor(() => answers.has(n), "the other socket");
        expect(answers.get(n)).toMatchObject({ status: 200, body: { value: n } });
      }
      return n;
    };

    const other = goOn();
    await Promise.all(ATTACKERS.map(attack));
    over = true;
    const counted = await other;
    if (frames >= 20_000) console.log(JSON.stringify({ engine, seed, sent, counted, statuses, closes, rssMiB: rss }));
    expect(faults.join("\n")).toBe("");
    expect(counted).toBeGreaterThan(0);
    expect(memx.process.exitCode).toBeNull();
    // workerd itself logs each frame that breaks RFC 6455, on any WebSocket.
    const output = memx
      .output()
      .split("\n")
      .filter((line) => !line.includes("WebSocket protocol error"));
    expect(output.join("\n")).not.toMatch(/fuzz-key-of-|"event":"internal"|event: 'internal'|Uncaught/);
    expect(Math.max(...rss)).toBeLessThan(MAX_RSS_MIB);
    // The frames also reached the code behind the checks.
    for (const status of [200, 400, 403, 404, 409, 422]) expect(statuses[status], `${status}`).toBeGreaterThan(0);
    expect(closes[4422]).toBeGreaterThan(0);
  },
);

/** Not `expect.poll`, whose timers would cost more than the frames. */
async function waitFor(isTrue: () => boolean, what: string): Promise<void> {
  const until = Date.now() + 60_000;
  while (!isTrue()) {
    if (Date.now() > until) throw new Error(`no answer and no close: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function faultOf({ name, sees }: Tenant, status: number, body: Record<string, unknown>): string | undefined {
  const text = JSON.stringify(body);
  const seen = ALL_MARKS.find((mark) => !sees.includes(mark) && text.includes(mark));
  if (seen && name !== "little") return `${name} saw ${seen}`;
  if (status === 200) return undefined;
  const expected = ERROR_STATUS[body.code as keyof typeof ERROR_STATUS]?.[0];
  if (expected !== status) return `status ${status} with the code ${body.code}`;
  return status >= 500 ? `status ${status}` : undefined;
}

function describe({ name }: Tenant, parts: readonly (readonly [number, Buffer, boolean])[]): string {
  return parts.map(([opcode, payload]) => `${name} sent ${opcode}: ${payload.toString("latin1", 0, 300)}`).join(" + ");
}
