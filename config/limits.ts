// Every limit that a caller can reach, each with its unit and the reason for its size.

export const LIMITS = {
  /** UTF-8 bytes of a key. Fits into an index row, a URL and a WebSocket attachment with room to spare. */
  maxKeyBytes: 512,
  /** UTF-8 bytes of a value's JSON text. Shared memory is for conclusions, not files; each subscriber gets a copy. */
  maxValueBytes: 256 * 1024,
  /** UTF-8 bytes of a schema's JSON text. An isolate keeps compiled schemas in its 128 MB. */
  maxSchemaBytes: 64 * 1024,
  /** Bytes of a request body: enough for a batch of values, too little to fill an isolate. */
  maxBodyBytes: 1024 * 1024,
  /** Levels of arrays and objects in a value or schema. Bounds every recursion over it. */
  maxJsonDepth: 64,
  /** Steps of work of one request: checks against schemas, compiling them, patches. A step is about a microsecond. */
  maxWorkSteps: 60_000,
  /** Steps of costly work that the requests of a namespace may take in one isolate: this many at once, and per second. */
  maxSharedSteps: 100_000,
  sharedStepsPerSecond: 150_000,
  /** Steps that a namespace must let pass at most, however much it has taken while it had the isolate to itself. */
  maxSharedDebt: 300_000,
  /** Steps set aside for the error messages of a request. */
  maxReportSteps: 6_000,
  /** Changes that a namespace's log keeps, so that a late channel or subscriber can catch up. */
  logLength: 1_000,
  /** Bytes of a namespace's log, which is shorter if its changes are large. Room for 64 of the largest values. */
  maxLogBytes: 16 * 1024 * 1024,
  /** Bytes that a change in the log or an idempotency record counts for, besides its texts. */
  rowBytes: 100,
  /** Milliseconds after which a channel with subscribers compares itself with the store, so no change stays lost. */
  repairIntervalMs: 30_000,
  /** Milliseconds without a ping after which a memx.v1 client counts as gone. A slow one needs minutes for its unread messages. */
  maxSilenceMs: 300_000,
  /** Sockets of one channel. The platform allows 32,768; an object has 128 MB for them and their unread messages. */
  maxSubscribers: 10_000,
  /** Characters sent to a subscriber that it may not have read yet. More would fill the memory they all share. */
  maxUnreadChars: 8 * 1024 * 1024,
  /** The same for all sockets of a channel, and for those of one API key in it. Beyond it, the channel closes the slowest. */
  maxUnreadChannelChars: 64 * 1024 * 1024,
  maxUnreadApiKeyChars: 32 * 1024 * 1024,
  /** Assumed reading speed of a plain subscriber, in characters a second. It does not report how far it has read. */
  assumedReadRate: 1024 * 1024,
  /** Like maxUnreadChars, for streams that the Worker itself reads and passes on: an isolate has many of those. */
  maxUnreadStreamChars: 1024 * 1024,
  /** Characters that wait in an isolate for the readers of all its streams. Beyond it, the isolate ends the slowest. */
  maxUnreadIsolateChars: 32 * 1024 * 1024,
  /** Sockets of one API key in a channel, so that one API key cannot keep out the others. */
  maxSubscribersPerApiKey: 1_000,
  /** Sockets of a namespace in one process of memX's own, over all channels. Each takes two file descriptors and some 50 KB. */
  maxNamespaceSockets: 5_000,
  /** Refused sockets in an isolate whose clients have not answered the close. Beyond it, a refusal is an HTTP response. */
  maxRefusedSockets: 100,
  /** Globs of one watcher, and bytes of all of them and its scopes: a socket keeps 16 KiB through hibernation. */
  maxPatterns: 64,
  maxPatternChars: 512,
  maxWatchBytes: 12 * 1024,
  /** Seconds of a value's time to live. One year: a caller that needs longer sets none. */
  maxTtlSeconds: 31_536_000,
  /** Seconds that a caller's `ts` may be ahead of the store's clock. More would block all other writers until then. */
  maxTsAheadSeconds: 60,
  /** Operations of a batch. */
  maxOperations: 100,
  /** Operations of a bulk. The store applies them in a few requests, and not in one step. */
  maxBulk: 1_000,
  /** Keys in one response of the listing, and keys examined for it if the caller cannot read them all. */
  maxKeys: 1_000,
  maxScannedKeys: 5_000,
  /** Scopes times keys examined for one response: a glob takes up to half a microsecond for a key. */
  maxScopeTests: 100_000,
  /** Bytes of the values in one response of `POST /read`. Fits Upstash's 10 MB even if every character is escaped. */
  maxReadBytes: 4 * 1024 * 1024,
  /** Values that expire in one step: the store does nothing else meanwhile. */
  maxExpired: 100,
  /** Milliseconds between two sweeps for expired values of keys without subscribers. */
  sweepIntervalMs: 60_000,
  /** Changes in one response of the history. */
  maxHistory: 1_000,
  /** Seconds that a long poll waits. Many clients and proxies give up after 30. */
  maxWaitSeconds: 25,
  /** UTF-8 bytes of a frame on a socket of calls, and messages in it: as large as a body may be. */
  maxFrameBytes: 1024 * 1024,
  maxFrameCalls: 1_000,
  /** Calls of such a socket that have no answer yet, and the characters of these. */
  maxCallsInFlight: 1_000,
  maxCallChars: 8 * 1024 * 1024,
  /** Such sockets of one API key in an isolate. A client needs one or two. */
  maxCallSocketsPerApiKey: 100,
  /** Reads of many keys or changes that such a socket makes at a time. The answer to each may have 4 MiB. */
  maxWideReads: 4,
  /** Patches at a time of such a socket: each has the value in memory. */
  maxPatchesInFlight: 32,
  /** Milliseconds that such a socket still takes calls after it asked for its successor. */
  renewMs: 2_000,
  /** UTF-8 bytes that a result of an MCP tool has of values. A model pays for every word, and can ask for more. */
  maxToolResultBytes: 32 * 1024,
  /** Seconds for which memX trusts a good API key without another check, unless REVOCATION_SECONDS is set. */
  revocationSeconds: 60,
  /** Milliseconds for which memX does not look up a refused API key again. */
  refusalMs: 10_000,
  /** Milliseconds for which a good API key still works while Supabase is not reachable. */
  accessOutageMs: 300_000,
  /** Milliseconds that Supabase may take to respond. */
  accessTimeoutMs: 3_000,
  /** Scopes of an API key, and UTF-8 bytes of all of them and of its name. Each isolate compiles them once in a minute. */
  maxScopes: 256,
  maxScopeBytes: 16 * 1024,
  /** Good API keys that an isolate remembers, and as many refused ones. */
  maxKnownApiKeys: 10_000,
  /** Namespaces whose object id an isolate remembers. */
  maxKnownNamespaces: 10_000,
  /** Seconds for which a caller can repeat a write with its `Idempotency-Key`: longer than any client retries. */
  idempotencySeconds: 300,
  /** Characters of an `Idempotency-Key`. A UUID has 36. */
  maxIdempotencyKeyChars: 255,
  /** Calls of an API key in one period, as in wrangler.toml. Where memX itself counts, `RATE_LIMIT` may set another. */
  callsPerPeriod: 2_000,
  callPeriodSeconds: 10,
  /** Idempotency records of a namespace, and their bytes; the oldest leave first. At 200 writes a second, 100 seconds. */
  maxIdempotencyRecords: 20_000,
  maxIdempotencyBytes: 8 * 1024 * 1024,
  /** Bytes of records that even a full namespace keeps, so that a client can repeat its last writes there. */
  minIdempotencyBytes: 64 * 1024,
  /** Seconds that a deleted key keeps its time and revision, so that its next change continues from them. */
  tombstoneSeconds: 86_400,
  /** Deleted keys of a namespace that keep these; the oldest leave first. */
  maxTombstones: 10_000,
  /** Deleted keys that keep these even in a full namespace. */
  minTombstones: 100,
  /** Bytes that one of them counts for: the longest key, and what is stored with it. */
  tombstoneBytes: 612,
  /** Characters of the name that a writer gives itself. Every change and entry of that writer carries it. */
  maxAgentChars: 64,
} as const;

/**
 * What `GET /whoami` tells callers of them, by the name that it uses, with unit and meaning. The length of the log is not
 * here, because a deployment can set it.
 */
export const CALLER_LIMITS = {
  key: [LIMITS.maxKeyBytes, "Bytes of UTF-8 in a key."],
  value: [LIMITS.maxValueBytes, "Bytes of UTF-8 in a value's JSON."],
  schema: [LIMITS.maxSchemaBytes, "Bytes of UTF-8 in a schema's JSON."],
  depth: [LIMITS.maxJsonDepth, "Levels of arrays and objects in a value or schema."],
  body: [LIMITS.maxBodyBytes, "Bytes of a request body."],
  operations: [LIMITS.maxOperations, "Operations of a batch."],
  bulk: [LIMITS.maxBulk, "Operations of a bulk."],
  keys: [LIMITS.maxKeys, "Keys in one `POST /read`, and in a page of `GET /keys`."],
  read: [LIMITS.maxReadBytes, "Bytes of UTF-8 in the values of one `POST /read` together."],
  history: [LIMITS.maxHistory, "Changes in a page of `GET /history`."],
  ttl: [LIMITS.maxTtlSeconds, "Seconds of a `ttl`."],
  ahead: [LIMITS.maxTsAheadSeconds, "Seconds that a caller's `ts` may be ahead of the store's clock."],
  repeat: [
    LIMITS.idempotencySeconds,
    "Seconds for which a repeat under an `Idempotency-Key` returns the first outcome.",
  ],
  agent: [LIMITS.maxAgentChars, "Characters of `x-memx-agent`."],
  patterns: [LIMITS.maxPatterns, "Patterns of a watcher."],
  pattern: [LIMITS.maxPatternChars, "Characters of a pattern."],
  wait: [LIMITS.maxWaitSeconds, "Seconds that `GET /changes` waits."],
  sockets: [
    LIMITS.maxSubscribersPerApiKey,
    "Subscribers with one API key, for each key and for all watchers together.",
  ],
} as const;
