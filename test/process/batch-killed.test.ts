// Kills the process in the middle of batches. Afterwards each batch is either complete or absent.

import { once } from "node:events";
import { expect, it } from "vitest";
import { killGroup } from "./support/dev-server.ts";
import { newDisk, startWorkerd, type Workerd } from "./support/workerd.ts";

const KILLS = 6;
const WRITERS = 4;
const KEYS = Array.from({ length: 50 }, (_, n) => `part:${n}`);
const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };

it("keeps every acknowledged batch, and leaves each batch complete or absent", async () => {
  const disk = newDisk();
  let memx: Workerd = await startWorkerd({ disk });
  for (let kill = 0; kill < KILLS; kill++) {
    let last = { of: "", revision: 0 };
    let stop = false;
    let batches = 0;
    const underWay = Promise.withResolvers<void>();
    const write = async (writer: number) => {
      for (let n = 0; !stop; n++) {
        const of = `${kill}.${writer}.${n}`;
        const body = JSON.stringify({ operations: KEYS.map((key) => ({ op: "set", key, value: of })) });
        try {
          const response = await fetch(`${memx.url}/batch`, { method: "POST", headers, body });
          const { results } = (await response.json()) as { results: { revision: number }[] };
          const revision = results.at(-1)?.revision ?? 0;
          if (revision > last.revision) last = { of, revision };
          if (++batches === 8) underWay.resolve();
        } catch {
          return; // The process was killed.
        }
      }
    };
    const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer));
    await underWay.promise;
    await new Promise((resolve) => setTimeout(resolve, 200 * Math.random()));
    const ended = once(memx.process, "exit");
    killGroup(memx.process.pid);
    await ended;
    stop = true;
    await Promise.all(writers);

    memx = await startWorkerd({ disk });
    const response = await fetch(`${memx.url}/keys?prefix=part:&limit=1000&values=true`, { headers });
    const { keys } = (await response.json()) as { keys: { key: string; value: string; revision: number }[] };
    expect(keys.map(({ key }) => key)).toEqual(KEYS.toSorted());
    expect(new Set(keys.map(({ value }) => value)).size).toBe(1);
    const revisions = keys.map(({ revision }) => revision).sort((a, b) => a - b);
    expect(revisions.map((revision) => revision - (revisions[0] ?? 0))).toEqual(KEYS.map((_, n) => n));
    const newest = revisions.at(-1) ?? 0;
    expect(newest).toBeGreaterThanOrEqual(last.revision);
    if (newest === last.revision) expect(keys[0]?.value).toBe(last.of);
  }
});
