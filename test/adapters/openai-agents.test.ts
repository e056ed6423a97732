// memX's session of the OpenAI Agents SDK, shared by processes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  Agent,
  type AgentInputItem,
  isSessionHistoryTransactionAwareSession,
  MemorySession,
  type Model,
  Runner,
  Usage,
} from "@openai/agents-core";
import { beforeEach, describe, expect, it } from "vitest";
import { MemxSession } from "../../sdk/typescript/adapters/openai-agents.ts";
import { ConflictError, InvalidRequestError, type MemX } from "../../sdk/typescript/index.ts";
import { createRandom } from "../support/random.ts";
import { connect, ENGINES, startEngine } from "./support/engines.ts";

const item = (content: string): AgentInputItem => ({ role: "user", content });
const texts = (items: readonly AgentInputItem[]) => items.map((each) => (each as { content: string }).content);

describe.each(ENGINES)("on the %s store", (engine) => {
  let url: string;
  let memx: MemX;
  let session: MemxSession;

  beforeEach(async () => {
    url = await startEngine(engine);
    memx = connect(url);
    session = new MemxSession(memx, { sessionId: "s" });
  });

  it("keeps the items of 16 calls at once, each call's together and in order", async () => {
    const calls = Array.from({ length: 16 }, (_, agent) => Array.from({ length: 20 }, (_, n) => item(`${agent} ${n}`)));
    await Promise.all(calls.map((items) => new MemxSession(connect(url), { sessionId: "s" }).addItems(items)));
    const items = texts(await session.getItems());
    expect(items).toHaveLength(320);
    const found = Array.from({ length: 16 }, (_, at) => items.slice(at * 20, at * 20 + 20));
    expect(found.sort()).toEqual(calls.map(texts).sort());
  });

  it("does what the SDK's own session does", async () => {
    const random = createRandom("session");
    const theirs = new MemorySession();
    for (let n = 0; n < 300; n++) {
      const kind = random.number(0, 1);
      if (kind < 0.45) {
        const items = Array.from({ length: random.pick([0, 1, 2, 30]) }, (_, m) => item(`${n} ${m}`));
        await theirs.addItems(items);
        await session.addItems(items);
      } else if (kind < 0.65) expect(await session.popItem()).toEqual(await theirs.popItem());
      else if (kind < 0.68) {
        await theirs.clearSession();
        await session.clearSession();
      } else if (kind < 0.8) {
        const limit = random.pick([undefined, 1, 5, 50]);
        expect(await session.getItems(limit)).toEqual(await theirs.getItems(limit));
      } else {
        const suffix = (await theirs.getItems()).slice(-random.integer(1, 40));
        const expectedSuffix = random.chance(0.8) ? suffix : [item("another")];
        const replacement = Array.from({ length: random.integer(0, 3) }, (_, m) => item(`${n} new ${m}`));
        const transaction = random.chance(0.5)
          ? ({ type: "append_items", items: replacement } as const)
          : ({ type: "replace_suffix", expectedSuffix, replacement } as const);
        const args = { operationId: `op ${random.integer(0, n)}`, transaction };
        const outcomes = await Promise.allSettled([
          theirs.applyHistoryTransaction(args),
          session.applyHistoryTransaction(args),
        ]);
        expect(outcomes[1]?.status, `operation ${n}: ${JSON.stringify(args)}`).toBe(outcomes[0]?.status);
      }
    }
    expect(await session.getItems()).toEqual(await theirs.getItems());
    await session.clearSession();
    expect((await memx.getMany(["sessions/s", "sessions/s/000000000000"])).entries[1]).toBeNull();
  });

  it("applies a transaction once, although its process is killed and starts again", async () => {
    expect(isSessionHistoryTransactionAwareSession(session)).toBe(true);
    const program = `
      import { MemX } from "${import.meta.dirname}/../../sdk/typescript/index.ts";
      import { MemxSession } from "${import.meta.dirname}/../../sdk/typescript/adapters/openai-agents.ts";
      const memx = new MemX({ apiKey: "local_dev_key", baseUrl: "${url}" });
      const transaction = { type: "append_items", items: [{ role: "user", content: "once" }] };
      await new MemxSession(memx, { sessionId: "s" }).applyHistoryTransaction({ operationId: "turn 1", transaction });
      process.kill(process.pid, "SIGKILL");`;
    for (let n = 0; n < 2; n++) {
      const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: "inherit" });
      expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
    }
    expect(texts(await session.getItems())).toEqual(["once"]);
    const transaction = { type: "append_items" as const, items: [item("other")] };
    await expect(session.applyHistoryTransaction({ operationId: "turn 1", transaction })).rejects.toThrow(
      ConflictError,
    );
    expect(texts(await session.getItems())).toEqual(["once"]);
  });

  it("lets items roll over into further keys", async () => {
    const big = Array.from({ length: 25 }, (_, n) => item(`${n} ${"x".repeat(100_000)}`));
    await session.addItems(big);
    expect(await session.getItems()).toEqual(big);
    expect(await session.getItems(2)).toEqual(big.slice(-2));
    expect(await session.popItem()).toEqual(big.at(-1));
    await expect(session.addItems([item("x".repeat(300_000))])).rejects.toThrow(InvalidRequestError);
    expect(await session.getItems(1)).toEqual(big.slice(-2, -1));
  });

  it("reads while others write", async () => {
    const writing = Promise.all(
      Array.from({ length: 4 }, async (_, agent) => {
        for (let n = 0; n < 20; n++) {
          await session.addItems([item(`${agent} ${n} a`), item(`${agent} ${n} b`)]);
          if (n % 5 === 4) await session.popItem();
        }
      }),
    ).then(() => "done");
    while ((await Promise.race([writing, session.getItems()])) !== "done") {
      // Each read is of one moment, so it resolves.
    }
    expect(await session.getItems()).toHaveLength(4 * (40 - 4));
  });
});

it("is the session of an agent", async () => {
  const memx = connect(await startEngine());
  const model: Model = {
    async getResponse({ input }) {
      const text = `${input.length} items`;
      const content = [{ type: "output_text" as const, text }];
      const message = { type: "message" as const, role: "assistant" as const, status: "completed" as const, content };
      return { usage: new Usage(), output: [message] };
    },
    async *getStreamedResponse() {},
  };
  const runner = new Runner({ tracingDisabled: true });
  const agent = new Agent({ name: "ada", model });
  const ask = (text: string) => runner.run(agent, text, { session: new MemxSession(memx, { sessionId: "s" }) });
  expect((await ask("one")).finalOutput).toBe("1 items");
  expect((await ask("two")).finalOutput).toBe("3 items");
});
