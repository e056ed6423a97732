// Random operations on memX's LangGraph store, compared with LangGraph's own InMemoryStore. They differ in three ways: a search
// returns items in the order of their keys, not of their creation; namespaces without items are not listed; and InMemoryStore
// shows a put in the reads of the same batch if it returned the same object before.

import { InMemoryStore, type Item, type Operation } from "@langchain/langgraph-checkpoint";
import { expect, it } from "vitest";
import { MemxStore } from "../../sdk/typescript/adapters/langgraph.ts";
import { itemKey } from "../../sdk/typescript/adapters/langgraph-keys.ts";
import { amount } from "../support/long-runs.ts";
import { createRandom, type Random } from "../support/random.ts";
import { connect, ENGINES, inParallel, startEngine } from "./support/engines.ts";

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);
const OPERATIONS = amount(60, 2_000);

const LABELS = ["a", "ab", "A", "a b", "ü", "😀", "100%", "a/b", "[*]", "?", "tab\there", "%2F", "langgraph2"];
const KEYS = ["", "k", "K", "k/1", "k%2F1", "..", "ключ", "\u0085", "long".repeat(20), "😀", "￿"];
const SCALARS = [0, 1, 2.5, -3, "1", "x", "", true, false, null];

it.each(ENGINES)(`20 seeds of ${OPERATIONS} operations, on the %s store`, { tags: ["long"] }, async (engine) => {
  const memx = connect(await startEngine(engine));
  let compared = 0;
  await inParallel(SEEDS, 4, async (seed) => {
    const random = createRandom(`langgraph ${seed}`);
    const ours = new MemxStore(memx, { prefix: `s${seed}/` });
    const theirs = new InMemoryStore();
    for (let done = 0; done < OPERATIONS; ) {
      const operations = Array.from({ length: random.integer(1, 12) }, () => randomOperation(random));
      const expected = await readThenPut(theirs, operations);
      const results = (await ours.batch(operations)) as unknown[];
      const found = results.map((result, at) => comparable(result, operations[at] as Operation));
      expect(found, `seed ${seed}, operation ${done}`).toEqual(expected);
      done += operations.length;
      compared += operations.length;
    }
  });
  expect(compared).toBeGreaterThanOrEqual(SEEDS.length * OPERATIONS);
});

function randomOperation(random: Random): Operation {
  const namespace = randomNamespace(random, 1);
  const key = random.pick(KEYS);
  const kind = random.number(0, 1);
  if (kind < 0.5) return { namespace, key, value: random.chance(0.25) ? null : randomValue(random) };
  if (kind < 0.7) return { namespace, key };
  const page = { limit: random.integer(1, 8), offset: random.integer(0, 4) };
  if (kind < 0.9) {
    const filter = random.chance(0.6) ? { filter: randomFilter(random) } : {};
    return { namespacePrefix: randomNamespace(random, 0), ...filter, ...(random.chance(0.7) && page) };
  }
  const matchConditions = (["prefix", "suffix"] as const)
    .filter(() => random.chance(0.5))
    .map((matchType) => ({
      matchType,
      path: randomNamespace(random, 1).map((label) => (random.chance(0.3) ? "*" : label)),
    }));
  const depth = random.chance(0.4) ? { maxDepth: random.integer(1, 3) } : {};
  return { matchConditions, ...depth, limit: random.chance(0.5) ? 100 : page.limit, offset: page.offset };
}

function randomNamespace(random: Random, shortest: number): string[] {
  // Mostly few labels, so that operations meet.
  const labels = random.chance(0.8) ? LABELS.slice(0, 3) : LABELS;
  return Array.from({ length: random.integer(shortest, 3) }, () => random.pick(labels));
}

function randomValue(random: Random): Record<string, unknown> {
  return {
    n: random.pick(SCALARS),
    ...(random.chance(0.7) && { "the-name": random.pick(SCALARS) }),
    ...(random.chance(0.3) && { deep: { list: [random.pick(SCALARS)] } }),
  };
}

function randomFilter(random: Random): Record<string, unknown> {
  const operator = random.pick(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]);
  const list = [random.pick(SCALARS), random.pick(SCALARS)];
  const wanted = random.pick<unknown>([
    random.pick(SCALARS),
    { [operator]: random.pick(SCALARS) },
    { [random.pick(["$in", "$nin"])]: random.chance(0.8) ? list : random.pick(SCALARS) },
    { $gte: 0, $lt: random.integer(1, 3) },
    { list },
    {},
  ]);
  return { [random.pick(["n", "the-name", "deep"])]: wanted };
}

/** What InMemoryStore does, in memX's order. */
async function readThenPut(store: InMemoryStore, operations: readonly Operation[]): Promise<unknown[]> {
  const data = (store as unknown as { data: Map<string, Map<string, Item>> }).data;
  for (const [namespace, items] of data) if (items.size === 0) data.delete(namespace);
  const results: unknown[] = [];
  for (const operation of operations) {
    if ("value" in operation) results.push(undefined);
    else if ("namespacePrefix" in operation) {
      const { limit = 10, offset = 0 } = operation;
      const [found = []] = await store.batch([{ ...operation, limit: 1e9, offset: 0 }]);
      const items = found.toSorted((a, b) => Buffer.compare(bytes(a), bytes(b))).slice(offset, offset + limit);
      results.push(comparable(items, operation));
    } else results.push(comparable((await store.batch([operation]))[0], operation));
  }
  await store.batch(operations.filter((operation) => "value" in operation));
  return results;
}

function bytes(item: Item): Buffer {
  return Buffer.from(itemKey("", item));
}

function comparable(result: unknown, operation: Operation): unknown {
  if ("value" in operation) return undefined;
  if ("key" in operation) return result && plain(result as Item);
  return "namespacePrefix" in operation ? (result as Item[]).map(plain) : result;
}

function plain({ namespace, key, value }: Item): unknown {
  return structuredClone({ namespace, key, value });
}
