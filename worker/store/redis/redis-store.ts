// The `Store` on Redis, over Upstash's REST protocol. What a write does is in write.lua: one script is one atomic step
// and one round trip. Nothing here is sent a second time, for a write whose answer was lost may have been applied.

import { errors, Redis } from "@upstash/redis/cloudflare";
import { LIMITS } from "../../../config/limits.ts";
import { ALL_KEYS, type Store, storeUnavailable } from "../store.ts";
import readEntriesScript from "./read-entries.lua";
import readLogScript from "./read-log.lua";
import readRecordScript from "./read-record.lua";
import readSchemaScript from "./read-schema.lua";
import { redisKeys } from "./redis-keys.ts";
import { createScript } from "./script.ts";
import {
  operationArguments,
  parseEntries,
  parseLog,
  parseRecord,
  parseWriteReply,
  type Reply,
  type WriteReply,
} from "./script-format.ts";
import unwatchScript from "./unwatch.lua";
import watchScript from "./watch.lua";
import writeScript from "./write.lua";

/** Of one request. A caller is answered within 5 seconds, and a write may take more than one (worker/write-value.ts). */
const TIMEOUT_MS = 2_000;

/** How long the time and revision of a deleted key outlive it, so that its next change goes on from them. */
const TOMBSTONE_SECONDS = 24 * 60 * 60;

/** Bytes of JSON text after which an answer ends, so that it does not outgrow what Upstash sends at once. */
const ANSWER_BYTES = 1024 * 1024;

/** Keys in one page of entries. */
const PAGE_KEYS = 500;

export function createRedisStore({ url, token, logLength }: { url: string; token: string; logLength: number }): Store {
  let timeLimit = new AbortController().signal;
  /** Not with `AbortSignal.timeout`, whose timer would keep a Durable Object awake after the answer. */
  const timed = async <T>(command: () => Promise<T>): Promise<T> => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new Error("no answer in time")), TIMEOUT_MS);
    timeLimit = controller.signal;
    try {
      return await command();
    } finally {
      clearTimeout(timer);
    }
  };
  const redis = new Redis({
    url,
    token,
    // A function, because with a plain signal a call that took too long would resolve. It is called as a command begins.
    signal: () => timeLimit,
    // Not `false`, which tries once more.
    retry: { retries: 0 },
    // Values are text and stay it. All of it is valid UTF-8, so it needs no base64 on the way.
    automaticDeserialization: false,
    responseEncoding: false,
    // It would send what one tick asks in an order of its own.
    enableAutoPipelining: false,
    enableTelemetry: false,
  });
  const scripts = {
    write: createScript<WriteReply>(redis, timed, writeScript),
    readLog: createScript<Reply>(redis, timed, readLogScript),
    readEntries: createScript<Reply>(redis, timed, readEntriesScript),
    readSchema: createScript<Reply>(redis, timed, readSchemaScript),
    readRecord: createScript<string | null>(redis, timed, readRecordScript),
    watch: createScript<string>(redis, timed, watchScript),
    unwatch: createScript<string>(redis, timed, unwatchScript),
  };
  const readLog = (namespace: string, key: string, side: "after" | "before", revision: number, limit: number) =>
    answered(async () => {
      const { log, texts, counter, begin, entry } = redisKeys(namespace);
      const args = [key, side, ...[revision, limit, ANSWER_BYTES].map(String)];
      return parseLog(await scripts.readLog([log, texts, counter, entry(key), begin], args));
    });
  return {
    engine: "redis",
    write: (namespace, operations, idempotency) =>
      answered(async () => {
        const { counter, log, texts, index, record, begin, entry } = redisKeys(namespace);
        const entries = operations.map(({ key }) => entry(key));
        const keys = [counter, log, texts, index, entry(ALL_KEYS), record(idempotency?.id ?? ""), begin, ...entries];
        const settings = [logLength, idempotency?.fingerprint ?? "", LIMITS.idempotencySeconds, TOMBSTONE_SECONDS];
        const reply = await scripts.write(keys, [...settings.map(String), ...operations.flatMap(operationArguments)]);
        return parseWriteReply(operations, reply);
      }),
    recall: (namespace, operations, { id, fingerprint }) =>
      answered(async () => {
        const record = await scripts.readRecord([redisKeys(namespace).record(id)], []);
        return record === null ? null : parseRecord(operations, record, fingerprint);
      }),
    readEntry: (namespace, key) =>
      answered(async () => {
        // As an array, which is what comes without the client's deserialization, whatever its types say.
        const fields = await timed(() => redis.hmget(redisKeys(namespace).entry(key), "value", "ts", "value_revision"));
        const [value, ts, revision] = fields as unknown as Reply;
        return value != null ? { value, ts: Number(ts) / 1e6, revision: Number(revision) } : null;
      }),
    readSchema: (namespace, key) =>
      answered(async () => {
        const [schema, ts, revision] = await scripts.readSchema([redisKeys(namespace).entry(key)], []);
        return schema != null ? { schema, ts: Number(ts) / 1e6, revision: Number(revision) } : null;
      }),
    readLog: (namespace, key, after) => readLog(namespace, key, "after", after, Number.MAX_SAFE_INTEGER),
    readHistory: async (namespace, key, before, limit) =>
      (await readLog(namespace, key, "before", before, limit)).changes,
    readEntries: (namespace, after) =>
      answered(async () => {
        const { index, entry } = redisKeys(namespace);
        const page = [after, String(PAGE_KEYS), String(ANSWER_BYTES)];
        return parseEntries(await scripts.readEntries([index, entry(ALL_KEYS)], page));
      }),
    watch: (namespace, key, token) =>
      answered(async () => {
        const { counter, begin, entry } = redisKeys(namespace);
        return Number(await scripts.watch([entry(key), counter, begin], [token]));
      }),
    unwatch: (namespace, key, token) =>
      answered(async () => {
        await scripts.unwatch([redisKeys(namespace).entry(key)], [token, String(TOMBSTONE_SECONDS)]);
      }),
    ping: () =>
      answered(async () => {
        await timed(() => redis.ping());
      }),
  };
}

async function answered<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw storeUnavailable(withoutCommand(cause));
  }
}

/** For the log. The client's messages end in the command, and so in the value; Redis's may quote parts of it. */
function withoutCommand(cause: unknown): unknown {
  if (cause instanceof errors.UpstashJSONParseError) return new Error("The answer is not JSON.");
  if (!(cause instanceof errors.UpstashError)) return cause;
  const [told = ""] = cause.message.split(", command was: ");
  return new Error(`The answer is an error: ${told.replace(/(['"`]).*/s, "…").slice(0, 200)}`);
}
