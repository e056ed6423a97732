// The log of the embedded store as a ring, against a model that knows every change.

import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { Namespace } from "../../durable-objects/embedded-store/namespace.ts";
import { utf8Length } from "../../memory/json-text.ts";
import { ALL_KEYS, type Operation } from "../../memory/store/store.ts";
import fc from "../support/properties.ts";

const NOW_US = 1_795_000_000e6;
const UNLIMITED = { keys: undefined, bytes: undefined };
const newObject = () => env.EMBEDDED_STORE.getByName(`namespace:${crypto.randomUUID()}`);
const set = (key: string, value = "1"): Operation => ({ op: "set", key, value, schemaRevision: 0 });

/** A storage that counts the statements, and the rows that they write. */
function counting(storage: DurableObjectStorage) {
  const counted = { statements: [] as string[], rows: 0 };
  const exec = (query: string, ...bindings: SqlStorageValue[]) => {
    const cursor = storage.sql.exec(query, ...bindings);
    counted.statements.push(query);
    counted.rows += cursor.rowsWritten;
    return cursor;
  };
  const kv = {
    get: (name: string) => storage.kv.get(name),
    put: (name: string, value: unknown) => {
      counted.rows++;
      storage.kv.put(name, value);
    },
    delete: (name: string) => storage.kv.delete(name),
  };
  const transactionSync = (step: () => unknown) => storage.transactionSync(step);
  return { counted, storage: { sql: { exec }, kv, transactionSync } as unknown as DurableObjectStorage };
}

it.each(["no subscriber", "subscribers"])(
  "a set of a key with %s is two statements that write a row each",
  async (whose) => {
    await runInDurableObject(newObject(), (_, state) => {
      const { counted, storage } = counting(state.storage);
      const stored = new Namespace(storage, { logLength: 10, quota: UNLIMITED });
      const write = () => stored.apply([set("a", `"${"x".repeat(10_000)}"`)], NOW_US, { by: "an agent" });
      for (let n = 0; n < 25; n++) write();
      if (whose === "subscribers") for (const key of ["a", ALL_KEYS]) stored.watch(key, "token", NOW_US);
      write();
      for (let n = 0; n < 12; n++) {
        counted.rows = 0;
        counted.statements = [];
        expect(write()).toMatchObject({ results: [{ watched: whose === "subscribers" }] });
        expect(counted).toEqual({
          rows: 2,
          statements: [expect.stringMatching("entries"), expect.stringMatching("log")],
        });
      }
    });
  },
);

type Step =
  | { readonly do: "set"; readonly key: string; readonly length: number }
  | { readonly do: "fill"; readonly count: number }
  | { readonly do: "wake"; readonly logLength: number; readonly bytes: number | undefined }
  | { readonly do: "fail" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("set"), key: fc.constantFrom("a", "b", "c"), length: fc.nat(60) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("fill"), count: fc.integer({ min: 1, max: 20 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("wake"),
      logLength: fc.integer({ min: 1, max: 12 }),
      bytes: fc.option(fc.integer({ min: 300, max: 4_000 }), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fail") }) },
) as fc.Arbitrary<Step>;

it("has the last changes that fit, however long it is, wherever it begins, and whatever fails", async () => {
  await runInDurableObject(newObject(), (_, { storage }) => {
    fc.assert(
      fc.property(fc.nat(30), fc.array(step, { minLength: 1, maxLength: 40 }), (begin, steps) => {
        for (const table of ["entries", "log"]) storage.sql.exec(`DELETE FROM ${table}`);
        for (const name of ["usage", "ring", "forgotten"]) storage.kv.delete(name);
        storage.kv.put("begin", begin + 1);
        let settings = { logLength: 7, quota: UNLIMITED as { keys: undefined; bytes: number | undefined } };
        let stored = new Namespace(storage, settings);
        let [head, oldest] = [begin + 1, begin + 2];
        const all: { revision: number; key: string; json: string }[] = [];
        const values = new Map<string, string>();
        const write = (key: string, json: string) => {
          const outcome = stored.apply([set(key, json)], NOW_US);
          if (outcome.outcome !== "applied") return;
          all.push({ revision: ++head, key, json });
          values.set(key, json);
          const held = [...values.values()].reduce((sum, text) => sum + utf8Length(text), 0);
          const room = settings.quota.bytes === undefined ? LIMITS.maxLogBytes : (settings.quota.bytes - held) / 2;
          oldest = Math.max(oldest, head - settings.logLength + 1);
          const sizeFrom = (first: number) =>
            all
              .filter(({ revision }) => revision >= first)
              .reduce((sum, change) => sum + utf8Length(change.key) + utf8Length(change.json) + LIMITS.rowBytes, 0);
          while (oldest < head && sizeFrom(oldest) > room) oldest++;
        };
        const isAsModel = () => {
          const kept = all.filter(({ revision }) => revision >= oldest);
          const short = ({ revision, key, json }: (typeof all)[number]) => ({ revision, key, json });
          for (const key of [ALL_KEYS, "a", "b", "c"]) {
            const ofKey = kept.filter((change) => key === ALL_KEYS || change.key === key);
            for (const after of [begin + 1, oldest - 1, oldest, head - 1, head, head + 5]) {
              const slice = stored.readLog(key, after);
              const expected = ofKey.filter(({ revision }) => revision > after);
              expect(slice.changes.map(short as never)).toEqual(expected);
              expect(slice).toMatchObject({ more: false, head });
              if (key === ALL_KEYS) expect(slice.truncated).toBe(after < oldest - 1);
            }
            if (key === ALL_KEYS) continue;
            for (const before of [0, oldest + 2, head, head + 1]) {
              const { changes } = stored.readHistory(key, before, 3, NOW_US);
              const expected = ofKey.filter(({ revision }) => revision < before).toReversed();
              expect(changes.map(short as never)).toEqual(expected.slice(0, 3));
            }
          }
          const scan = stored.scanLog(oldest);
          expect(scan.changes.map(({ revision }) => revision)).toEqual(
            kept.map(({ revision }) => revision).filter((revision) => revision > oldest),
          );
          const revisions = [oldest - 1, oldest, head, head + 1];
          expect(stored.readChanges(revisions).map((change) => change && short(change as never))).toEqual(
            revisions.map((wanted) => kept.find(({ revision }) => revision === wanted) ?? null),
          );
          const { count } = storage.sql.exec<{ count: number }>("SELECT count(*) AS count FROM log").one();
          expect(count).toBe(kept.length);
        };
        for (const now of steps) {
          if (now.do === "set") write(now.key, `"${"x".repeat(now.length)}"`);
          else if (now.do === "fill") for (let n = 0; n < now.count; n++) write("b", String(n));
          else if (now.do === "fail") {
            const failing = () =>
              storage.transactionSync(() => {
                for (let n = 0; n < 9; n++) stored.apply([set("a", "2")], NOW_US);
                throw new Error("disk full");
              });
            expect(failing).toThrow("disk full");
            stored.forget();
          } else {
            settings = { logLength: now.logLength, quota: { keys: undefined, bytes: now.bytes } };
            stored = new Namespace(storage, settings);
            oldest = Math.max(oldest, head - now.logLength + 1);
          }
          isAsModel();
        }
      }),
    );
  });
});
