// The `Store` on Redis, over Upstash's REST protocol. write.lua has the logic of a write: one script is one atomic step
// and one round trip. No command is sent a second time, because a write whose reply was lost may have been applied.

import { errors, Redis } from "@upstash/redis/cloudflare";
import { LRUCache } from "lru-cache";
import { LIMITS } from "../../../config/limits.ts";
import type { StoreTimeouts } from "../../../config/store-settings.ts";
import { REDIS_VERSION } from "../../../config/store-versions.ts";
import { ApiError, storeFull, storeNewer, storeReadOnly, storeUnavailable } from "../../errors.ts";
import { log } from "../../log.ts";
import { entryRead } from "../entry-read.ts";
import { ALL_KEYS, type CallOutcome, type Operation, type Quota, type Store, type WriteOptions } from "../store.ts";
import checkHealthScript from "./check-health.lua";
import expireScript from "./expire.lua";
import namespaceScript from "./namespace.lua";
import readChangesScript from "./read-changes.lua";
import readEntriesScript from "./read-entries.lua";
import readEntryScript from "./read-entry.lua";
import readKeysScript from "./read-keys.lua";
import readLogScript from "./read-log.lua";
import readManyScript from "./read-many.lua";
import readNamesScript from "./read-names.lua";
import readRecordScript from "./read-record.lua";
import readSchemaScript from "./read-schema.lua";
import { EXPIRING_NAMESPACES, HEALTH, redisKeys, VERSION } from "./redis-keys.ts";
import { refusedWrite } from "./refused-write.ts";
import scanLogScript from "./scan-log.lua";
import { createScript, runScripts, type ScriptReply } from "./script.ts";
import {
  operationArguments,
  parseChanges,
  parseEntries,
  parseEntryRead,
  parseKeys,
  parseLog,
  parseMany,
  parseNames,
  parseRecord,
  parseScan,
  parseSchemaRead,
  parseWatch,
  parseWriteReply,
  type Reply,
  type WriteReply,
} from "./script-format.ts";
import { type SharedRequests, sharedRequests } from "./shared-requests.ts";
import unwatchScript from "./unwatch.lua";
import watchScript from "./watch.lua";
import writeScript from "./write.lua";

/** Bytes of JSON text after which a reply ends, so that it stays below Upstash's limit on a response. */
const REPLY_BYTES = 1024 * 1024;

/** Keys in one page of names, and changes in one scan of the log. */
const PAGE_NAMES = 1_000;

/** How long an isolate assumes that a namespace is listed for the sweep, and the least time that it stays listed. */
const LISTED_MS = 30 * 60_000;
const MIN_LISTED_MS = 2 * LISTED_MS;

/** URLs of the stores that no newer memX has written, as far as this isolate knows: one, because the settings do not change. */
const readable = new Set<string>();

export function createRedisStore({
  url,
  token,
  timeouts,
  logLength,
  quota,
  process = "",
}: {
  url: string;
  token: string;
  timeouts: StoreTimeouts;
  logLength: number;
  quota: Quota;
  /** The name of this memX process, if it hears of the changes that others make. */
  process?: string | undefined;
}): Store {
  let timeLimit = new AbortController().signal;
  /** Not `AbortSignal.timeout`, whose timer would keep a Durable Object awake after the reply. */
  const timed = async <T>(command: () => Promise<T>): Promise<T> => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new Error("Redis did not reply in time.")), timeouts.requestMs);
    timeLimit = controller.signal;
    try {
      return await command();
    } finally {
      clearTimeout(timer);
    }
  };
  const checkHealth = async () => {
    const [error = "", policy = "", version] = await healthScript([HEALTH, VERSION], []);
    if (Number(version) > REDIS_VERSION) {
      readable.delete(url);
      throw storeNewer(new Error(`The data in Redis has version ${version}.`));
    }
    readable.add(url);
    return { error: error ?? "", policy };
  };
  /** Before the first command, finds out that no newer memX has written what is there. */
  const withTimeout = async <T>(command: () => Promise<T>): Promise<T> => {
    if (!readable.has(url)) await checkHealth();
    return timed(command);
  };
  const redis = new Redis({
    url,
    token,
    // A function, because with a plain signal an aborted call would resolve. The client calls it when a command starts.
    signal: () => timeLimit,
    // Not `false`, which would still retry once.
    retry: { retries: 0 },
    // Values must stay text. They are valid UTF-8, so they need no base64.
    automaticDeserialization: false,
    responseEncoding: false,
    // It would reorder the commands of one tick.
    enableAutoPipelining: false,
    enableTelemetry: false,
  });
  const healthScript = createScript<Reply>(redis, timed, checkHealthScript);
  const scripts = {
    write: createScript<WriteReply>(redis, withTimeout, namespaceScript + writeScript),
    readLog: createScript<Reply>(redis, withTimeout, namespaceScript + readLogScript),
    expire: createScript<string>(redis, withTimeout, namespaceScript + expireScript),
    readEntry: createScript<Reply>(redis, withTimeout, readEntryScript),
    readMany: createScript<Reply>(redis, withTimeout, readManyScript),
    readKeys: createScript<Reply>(redis, withTimeout, readKeysScript),
    scanLog: createScript<Reply>(redis, withTimeout, scanLogScript),
    readChanges: createScript<Reply>(redis, withTimeout, readChangesScript),
    readNames: createScript<Reply>(redis, withTimeout, readNamesScript),
    readEntries: createScript<Reply>(redis, withTimeout, readEntriesScript),
    readSchema: createScript<Reply>(redis, withTimeout, readSchemaScript),
    readRecord: createScript<Reply>(redis, withTimeout, readRecordScript),
    watch: createScript<Reply>(redis, withTimeout, namespaceScript + watchScript),
    unwatch: createScript<string>(redis, withTimeout, namespaceScript + unwatchScript),
  };
  // Only where the bridge is on the same machine. Elsewhere a call would wait for a round trip of another call.
  const shared: SharedRequests = process
    ? sharedRequests(
        timeouts,
        (runs) => runScripts(redis, withTimeout, runs),
        (message) => new errors.UpstashError(message),
      )
    : (script, keys, args) => script(keys, args);
  const { idempotencySeconds, maxIdempotencyRecords, maxIdempotencyBytes, minIdempotencyBytes } = LIMITS;
  const { tombstoneSeconds, maxTombstones, minTombstones, tombstoneBytes } = LIMITS;
  const settings = [
    `${logLength} ${LIMITS.maxLogBytes} ${LIMITS.rowBytes}`,
    `${tombstoneSeconds} ${maxTombstones} ${minTombstones} ${tombstoneBytes}`,
  ];
  /** The first keys of every script that runs after namespace.lua. */
  const sharedKeys = (namespace: string) => {
    const { counter, begin, log, texts, index, expiries, bytes } = redisKeys(namespace);
    return [counter, begin, log, texts, index, expiries, bytes];
  };
  const readLog = (namespace: string, key: string, side: "after" | "before", revision: number, limit: number) =>
    orUnavailable(async () => {
      const args = [...settings, key, side, ...[revision, limit, REPLY_BYTES].map(String)];
      return parseLog(await scripts.readLog([...sharedKeys(namespace), redisKeys(namespace).entry(key)], args));
    });
  const listing = createListing(async (namespace) => {
    const score = { score: Date.now(), member: namespace };
    await withTimeout(() => redis.zadd(EXPIRING_NAMESPACES, score));
  });
  const writeArguments = (
    namespace: string,
    operations: readonly Operation[],
    { idempotency, by }: WriteOptions,
  ): [keys: string[], args: string[]] => {
    const { record, entry } = redisKeys(namespace);
    const entries = operations.map(({ key }) => entry(key));
    const keys = [...sharedKeys(namespace), entry(ALL_KEYS), record(idempotency?.id ?? ""), ...entries];
    const args = [
      ...settings,
      String(quota.keys ?? ""),
      String(quota.bytes ?? ""),
      String(LIMITS.maxTsAheadSeconds * 1e6),
      idempotency?.fingerprint ?? "",
      `${idempotencySeconds} ${maxIdempotencyRecords} ${maxIdempotencyBytes} ${minIdempotencyBytes}`,
      idempotency?.needsText ? "1" : "",
      by ?? "",
      process,
      ...operations.flatMap(operationArguments),
    ];
    return [keys, args];
  };
  return {
    engine: "redis",
    timeouts,
    write: (namespace, operations, options = {}) =>
      orUnavailable(async () => {
        const listed = operations.some(hasTtl) && listing(namespace);
        const reply = await shared(scripts.write, ...writeArguments(namespace, operations, options));
        await listed;
        return parseWriteReply(operations, reply);
      }),
    many: (namespace, calls) =>
      orUnavailable(async () => {
        const { counter, entry } = redisKeys(namespace);
        const names = calls.flatMap((call) => (call.call === "write" ? [] : [call.key]));
        const writes = calls.flatMap((call) => (call.call === "write" ? [call] : []));
        const listed = writes.some(({ operations }) => operations.some(hasTtl)) && listing(namespace);
        const runs = writes.map(({ operations, options }) => {
          const [keys, args] = writeArguments(namespace, operations, options);
          return { script: scripts.write, keys, args };
        });
        // One command for all reads, because it stops when its reply is large enough.
        const readRun =
          names.length > 0
            ? [{ script: scripts.readEntries, keys: [counter, ...names.map(entry)], args: [String(REPLY_BYTES)] }]
            : [];
        const replies = await runScripts(redis, withTimeout, [...runs, ...readRun]);
        await listed;
        const read = readOutcome(replies[writes.length], (reply) => parseEntries(names, reply as Reply));
        let [written, reads] = [0, 0];
        return calls.map((call): CallOutcome => {
          if (call.call === "write") {
            const parse = (reply: unknown) => parseWriteReply(call.operations, reply as WriteReply);
            return readOutcome(replies[written++], parse);
          }
          if (read.outcome === "failed") return read;
          const { head, stored } = read.reply;
          const found = stored[reads++];
          if (!found) return { outcome: "deferred" };
          const { entry, schema } = found;
          return { outcome: "done", reply: call.call === "readEntry" ? entryRead(entry, head) : { schema, head } };
        });
      }),
    recall: (namespace, operations, { id, fingerprint, needsText }) =>
      orUnavailable(async () => {
        const { record, texts, entry } = redisKeys(namespace);
        const keys = [record(id), texts, entry(operations[0]?.key ?? ALL_KEYS)];
        const [kept, text] = await scripts.readRecord(keys, [needsText ? "1" : ""]);
        return kept == null ? null : parseRecord(operations, kept, { fingerprint, needsText, text });
      }),
    readEntry: (namespace, key) =>
      orUnavailable(async () => {
        const { counter, entry } = redisKeys(namespace);
        return parseEntryRead(await shared(scripts.readEntry, [counter, entry(key)], []));
      }),
    readMany: (namespace, keys) =>
      orUnavailable(async () => {
        const { counter, entry } = redisKeys(namespace);
        return parseMany(await scripts.readMany([counter, ...keys.map(entry)], [String(LIMITS.maxReadBytes)]));
      }),
    readSchema: (namespace, key) =>
      orUnavailable(async () => {
        const { counter, entry } = redisKeys(namespace);
        return parseSchemaRead(await scripts.readSchema([counter, entry(key)], []));
      }),
    readLog: (namespace, key, after) => readLog(namespace, key, "after", after, Number.MAX_SAFE_INTEGER),
    readHistory: async (namespace, key, before, limit) => {
      const { changes, head } = await readLog(namespace, key, "before", before, limit);
      return { changes, head };
    },
    scanLog: (namespace, after) =>
      orUnavailable(async () => {
        const { counter, begin, log } = redisKeys(namespace);
        return parseScan(await scripts.scanLog([counter, begin, log], [String(after), String(PAGE_NAMES)]));
      }),
    readChanges: (namespace, revisions) =>
      orUnavailable(async () => {
        const { log, texts } = redisKeys(namespace);
        const args = [String(REPLY_BYTES), ...revisions.map(String)];
        return parseChanges(await scripts.readChanges([log, texts], args));
      }),
    readNames: (namespace, after) =>
      orUnavailable(async () => {
        const { index, entry } = redisKeys(namespace);
        return parseNames(await scripts.readNames([index, entry(ALL_KEYS)], [after, String(PAGE_NAMES)]));
      }),
    readEntries: (namespace, keys) =>
      orUnavailable(async () => {
        const { counter, entry } = redisKeys(namespace);
        const reply = await scripts.readEntries([counter, ...keys.map(entry)], [String(REPLY_BYTES)]);
        return parseEntries(keys, reply).stored;
      }),
    readKeys: (namespace, { prefix, after, limit, values }) =>
      orUnavailable(async () => {
        const { counter, index, entry } = redisKeys(namespace);
        const page = [prefix, after, String(limit), values ? "1" : "", String(REPLY_BYTES)];
        return parseKeys(await scripts.readKeys([index, entry(ALL_KEYS), counter], page));
      }),
    watch: (namespace, key, token) =>
      orUnavailable(async () => {
        const args = [...settings, key, token, String(LIMITS.maxExpired)];
        return parseWatch(await scripts.watch([...sharedKeys(namespace), redisKeys(namespace).entry(key)], args));
      }),
    unwatch: (namespace, key, token) =>
      orUnavailable(async () => {
        await scripts.unwatch([...sharedKeys(namespace), redisKeys(namespace).entry(key)], [...settings, token]);
      }),
    expire: () =>
      orUnavailable(async () => {
        const listed = await withTimeout(() =>
          redis.zrange<string[]>(EXPIRING_NAMESPACES, 0, -1, { withScores: true }),
        );
        // One step for each namespace in turn, so that none waits for the many expired values of another.
        for (let due = listed; due.length > 0; ) {
          const more: string[] = [];
          for (let at = 0; at < due.length; at += 2) {
            const [namespace = "", listedMs = ""] = due.slice(at, at + 2);
            const keys = [...sharedKeys(namespace), redisKeys(namespace).entry(ALL_KEYS)];
            const nextMs = await scripts.expire(keys, [...settings, String(LIMITS.maxExpired)]);
            if (nextMs === "0") more.push(namespace, listedMs);
            // By now no isolate assumes that the namespace is listed.
            const forgotten = Number(listedMs) < Date.now() - MIN_LISTED_MS;
            if (nextMs === "" && forgotten) await withTimeout(() => redis.zrem(EXPIRING_NAMESPACES, namespace));
          }
          due = more;
        }
      }),
    checkHealth: () =>
      orUnavailable(async () => {
        const { error, policy } = await checkHealth();
        return { status: refusedWrite(error) ?? "ok", evicts: Boolean(policy) && policy !== "noeviction" };
      }),
  };
}

function hasTtl(operation: Operation): boolean {
  return operation.op === "set" && typeof operation.ttl === "number";
}

/**
 * Lists a namespace with values that expire, once in a while, so that `expire` finds the namespace. If that fails, an
 * expired value of an unwatched key stays in memory until its key is written or another key gets a time to live.
 */
function createListing(list: (namespace: string) => Promise<void>): (namespace: string) => Promise<void> {
  const listed = new LRUCache<string, true>({ max: 10_000, ttl: LISTED_MS });
  return async (namespace) => {
    if (listed.has(namespace)) return;
    try {
      await list(namespace);
      listed.set(namespace, true);
    } catch (cause) {
      log("warn", "listing_failed", { cause: withoutCommand(cause) });
    }
  };
}

async function orUnavailable<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw failure(error);
  }
}

function failure(error: unknown): ApiError {
  const cause = withoutCommand(error);
  switch (error instanceof errors.UpstashError ? refusedWrite(error.message) : undefined) {
    case "full":
      return storeFull(cause);
    case "read_only":
      return storeReadOnly(cause);
    default:
      return storeUnavailable(cause);
  }
}

/** Reads the reply to one of several scripts. */
function readOutcome<T>(
  reply: ScriptReply | undefined,
  parse: (result: unknown) => T,
): { readonly outcome: "done"; readonly reply: T } | { readonly outcome: "failed"; readonly error: ApiError } {
  if (reply?.error) return { outcome: "failed", error: failure(new errors.UpstashError(reply.error)) };
  return { outcome: "done", reply: parse(reply?.result ?? []) };
}

/** For the log. The client's messages end with the command, and so with the value. Redis's may quote parts of it. */
function withoutCommand(cause: unknown): unknown {
  if (cause instanceof errors.UpstashJSONParseError) return new Error("Redis sent a reply that is not JSON.");
  if (!(cause instanceof errors.UpstashError)) return cause;
  const [message = ""] = cause.message.split(", command was: ");
  return new Error(`Redis sent an error: ${message.replace(/(['"`]).*/s, "…").slice(0, 200)}`);
}
