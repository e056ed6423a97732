// Reads the Redis of an original memX: `memx:value:<key>` is `{"value": …, "ts": …}`, and `memx:schema:<key>` a JSON Schema.
// There, a key begins with its user's namespace and a colon. It only reads. `SCAN` is not of one moment.

import { checkKey } from "./check-text.ts";
import { type Options, UsageError } from "./cli-arguments.ts";
import type { Step } from "./cli-import.ts";
import { type Item, LineError, makeItem } from "./cli-import-item.ts";
import { Progress } from "./cli-progress.ts";
import { Redis } from "./cli-redis.ts";

const VALUE = "memx:value:";
const SCHEMA = "memx:schema:";

/** Keys that one `SCAN` looks at. */
const PAGE = 500;

/** Characters of a user's id that make the namespace. */
const NAMESPACE = /^([^:]{8}):/su;

/** @throws {UsageError} */
export function readOriginal({ "from-original": text = "", namespace }: Options): AsyncGenerator<Step> {
  if (!URL.canParse(text) || !/^rediss?:$/.test(new URL(text).protocol)) {
    throw new UsageError(
      "--from-original must be a URL such as redis://127.0.0.1:6379 or rediss://user:password@host.",
    );
  }
  const url = new URL(text);
  if (url.password) {
    process.stderr.write(
      "Warning: other users of this machine can see the password of --from-original in its list of processes. Use REDISCLI_AUTH.\n",
    );
  }
  return steps(url, namespace);
}

async function* steps(url: URL, namespace: string | undefined): AsyncGenerator<Step> {
  const redis = await Redis.open(url);
  const progress = new Progress("Importing");
  let line = 0;
  try {
    if (namespace === undefined) throw new UsageError(await describe(redis));
    const prefix = namespace === "" ? "" : `${namespace}:`;
    for await (const keys of scan(redis, VALUE, prefix)) {
      const values = await readMany(redis, VALUE, keys);
      const schemas = await readMany(redis, SCHEMA, keys);
      for (const [index, key] of keys.entries()) {
        const [value, schema] = [values[index], schemas[index]];
        // Deleted since the scan.
        if (!value) continue;
        line++;
        const place = { line, key: key.slice(prefix.length) };
        const items = [valueItem(place, key, value)];
        if (schema) items.unshift(schemaItem(place, key, schema));
        yield { line, items };
        progress.show(line);
      }
    }
    for await (const keys of scan(redis, SCHEMA, prefix)) {
      const values = await readMany(redis, VALUE, keys);
      const schemas = await readMany(redis, SCHEMA, keys);
      for (const [index, key] of keys.entries()) {
        const schema = schemas[index];
        if (values[index] || !schema) continue;
        line++;
        yield { line, items: [schemaItem({ line, key: key.slice(prefix.length) }, key, schema)] };
        progress.show(line);
      }
    }
  } finally {
    progress.end();
    redis.close();
  }
}

/** Yields the keys after a Redis prefix, with the one of their namespace. `SCAN` may return one twice. */
async function* scan(redis: Redis, redisPrefix: string, prefix: string): AsyncGenerator<string[]> {
  const pattern = `${redisPrefix}${prefix.replace(/[*?[\]\\^]/g, "\\$&")}*`;
  for (let cursor = "0"; ; ) {
    const [next, names] = (await redis.send("SCAN", cursor, "MATCH", pattern, "COUNT", String(PAGE))) as [
      Buffer,
      Buffer[],
    ];
    const keys = names.map((name) => decode(name, name.toString()).slice(redisPrefix.length));
    if (keys.length > 0) yield [...new Set(keys)];
    cursor = next.toString();
    if (cursor === "0") return;
  }
}

async function readMany(redis: Redis, redisPrefix: string, keys: readonly string[]): Promise<(Buffer | null)[]> {
  return (await redis.send("MGET", ...keys.map((key) => redisPrefix + key))) as (Buffer | null)[];
}

type Place = Pick<Item, "line" | "key">;

function valueItem(place: Place, key: string, bytes: Buffer): Item {
  const { name, text } = read(place, VALUE + key, bytes);
  return makeItem({ ...place, name, kind: "value", text });
}

function schemaItem(place: Place, key: string, bytes: Buffer): Item {
  const { name, text } = read(place, SCHEMA + key, bytes);
  return makeItem({ ...place, name, kind: "schema", text: `{"schema":${text}}` });
}

function read({ line, key }: Place, redisKey: string, bytes: Buffer): { name: string; text: string } {
  const name = `Redis key ${JSON.stringify(redisKey)}`;
  const text = decode(bytes, redisKey);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new LineError(line, name, "Not valid JSON.");
  }
  if (redisKey.startsWith(VALUE) && (json === null || typeof json !== "object" || Array.isArray(json)))
    throw new LineError(line, name, "Must be a JSON object.");
  try {
    checkKey(key);
  } catch (error) {
    throw new LineError(line, name, (error as Error).message);
  }
  return { name, text };
}

function decode(bytes: Buffer, redisKey: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new LineError(0, `Redis key ${JSON.stringify(redisKey)}`, "Not valid UTF-8.");
  }
}

/** Says which namespaces there are. */
async function describe(redis: Redis): Promise<string> {
  const counts = new Map<string, number>();
  for (const prefix of [VALUE, SCHEMA]) {
    for await (const keys of scan(redis, prefix, "")) {
      for (const key of keys) {
        const namespace = NAMESPACE.exec(key)?.[1] ?? "";
        counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
      }
    }
  }
  if (counts.size === 0) return "This Redis has no data of an original memX.";
  const list = [...counts].map(
    ([namespace, count]) => `  --namespace ${namespace || "''"}   (values and schemas: ${count})`,
  );
  return `Say which namespace to import with this API key:\n${list.sort().join("\n")}`;
}
