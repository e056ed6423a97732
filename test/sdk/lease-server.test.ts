// The memX that test/simulation/lease.test.ts simulates decides like the real one.

import { expect, it } from "vitest";
import { ConflictError, InvalidRequestError } from "../../sdk/typescript/index.ts";
import type { LeaseRequest } from "../../sdk/typescript/lease-states.ts";
import { Server } from "../simulation/lease/server.ts";
import { Timeline } from "../simulation/lease/timeline.ts";
import { freshKey } from "../support/client.ts";
import { createRandom } from "../support/random.ts";
import { connectMemx } from "../support/sdk-client.ts";

const TTL = 60;

it.each([1, 2, 3, 4])("decides like the real memX, with random requests from the seed %d", async (seed) => {
  const random = createRandom(String(seed));
  const { memx } = connectMemx();
  const key = freshKey();
  const server = new Server(new Timeline(), 300_000);
  // The real memX counts from another number. Each revision of the simulated one stands for a real one.
  const real = new Map<number, number>([[0, 0]]);
  const sent: LeaseRequest[] = [];
  const outcomes = new Set<string>();
  for (let step = 0; step < 100; step++) {
    const value = random.pick(["a", "b"]);
    const call = random.pick(["claim", "renew", "release"] as const);
    const expected = random.chance(0.7) ? (server.read(key)?.revision ?? 0) : random.pick([...real.keys()]);
    // No lease deletes what does not exist.
    if (call === "release" && expected === 0) continue;
    const fresh: LeaseRequest = { call, id: freshKey(), expect: expected, ...(call !== "release" && { value }) };
    const again = sent.length > 0 && random.chance(0.3) ? random.pick(sent) : undefined;
    const request = again && random.chance(0.3) ? { ...fresh, id: again.id } : (again ?? fresh);
    sent.push(request);

    const { id, expect: revision } = request;
    const simulated = server.write(key, request, TTL * 1_000, 1, 0);
    const options = { expect: real.get(revision) as number, idempotencyKey: id };
    const response = await (request.call === "release"
      ? memx.delete(key, options)
      : memx.set(key, request.value, { ...options, ttl: TTL })
    ).catch((error) => error);
    outcomes.add(simulated.outcome);
    switch (simulated.outcome) {
      case "applied":
        expect(response, JSON.stringify(request)).toMatchObject({ ok: true });
        real.set(simulated.revision, real.get(simulated.revision) ?? response.revision);
        expect(response.revision).toBe(real.get(simulated.revision));
        break;
      case "conflict": {
        expect(response, JSON.stringify(request)).toBeInstanceOf(ConflictError);
        const { current } = simulated;
        if (current) {
          expect(response.current).toMatchObject({ value: current.value, revision: real.get(current.revision) });
        } else expect(response.current).toBeNull();
        break;
      }
      default:
        expect(response, JSON.stringify(request)).toBeInstanceOf(InvalidRequestError);
    }
  }
  expect(outcomes).toEqual(new Set(["applied", "conflict", "id_reused"]));
});
