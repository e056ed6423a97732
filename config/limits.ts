// Every bound that a caller can run into, each with its unit and the reason for its size.

export const LIMITS = {
  /** UTF-8 bytes of a key. Fits an index row, a URL and a WebSocket attachment with room to spare. */
  maxKeyBytes: 512,
  /** UTF-8 bytes of a value's JSON text. Shared memory holds conclusions, not files; a broadcast repeats it per subscriber. */
  maxValueBytes: 256 * 1024,
  /** UTF-8 bytes of a schema's JSON text. Compiled schemas are kept in an isolate's 128 MB. */
  maxSchemaBytes: 64 * 1024,
  /** Bytes of a request body: a batch of values, and nothing that could fill an isolate. */
  maxBodyBytes: 1024 * 1024,
  /** Levels of arrays and objects in a value or schema. Bounds every recursion over it. */
  maxJsonDepth: 64,
  /** Changes of a namespace that its log keeps, so that a late channel or subscriber can catch up. */
  logLength: 1_000,
  /** Milliseconds after which a channel with subscribers compares itself with the store, so that nothing stays lost. */
  repairIntervalMs: 30_000,
  /** Sockets of one channel. The platform takes 32,768; an object has 128 MB for them and what they have yet to read. */
  maxSubscribers: 10_000,
  /** Characters sent to a subscriber that it may not have read yet. More would fill the memory that it shares with others. */
  maxUnreadChars: 8 * 1024 * 1024,
  /** Characters a second that a plain subscriber is taken to read, which does not say how far it is. */
  assumedReadRate: 1024 * 1024,
  /** The same where the Worker itself reads, to pass events on as a stream: an isolate has many of those. */
  maxUnreadStreamChars: 1024 * 1024,
  /** Sockets of one API key in a channel, so that none keeps out the others. */
  maxSubscribersPerApiKey: 1_000,
  /** Globs of one watcher, and bytes of all of them and its scopes: a socket keeps 16 KiB through hibernation. */
  maxPatterns: 64,
  maxPatternChars: 512,
  maxWatchBytes: 12 * 1024,
  /** Seconds that a value may be given to live. A year: longer is for ever. */
  maxTtlSeconds: 31_536_000,
  /** Seconds that a caller's `ts` may be ahead of the store's clock. More would shut out everybody else until then. */
  maxTsAheadSeconds: 60,
  /** Operations of a batch. */
  maxOperations: 100,
  /** Keys in one answer of the listing, and how many are looked at for it where the caller may not read them all. */
  maxKeys: 1_000,
  maxScannedKeys: 5_000,
  /** Values that expire in one step: the store does nothing else meanwhile. */
  maxExpired: 100,
  /** Milliseconds between two looks for values that have expired and that nobody watches. */
  sweepIntervalMs: 60_000,
  /** Changes in one answer of the history. */
  maxHistory: 1_000,
  /** Seconds that a long poll waits. Many clients and proxies give up after 30. */
  maxWaitSeconds: 25,
  /** Seconds for which a good API key is believed to be good, unless REVOCATION_SECONDS says otherwise. */
  revocationSeconds: 60,
  /** Milliseconds for which a key that was refused is not asked for again. */
  refusalMs: 10_000,
  /** Milliseconds for which a good key goes on working while nobody can be asked. */
  accessOutageMs: 300_000,
  /** Milliseconds within which Supabase has to answer. */
  accessTimeoutMs: 3_000,
  /** Good API keys that an isolate remembers, and as many refused ones. */
  maxKnownApiKeys: 10_000,
  /** Namespaces whose object an isolate remembers how to find. */
  maxKnownNamespaces: 10_000,
  /** Seconds for which a write can be repeated under its `Idempotency-Key`: longer than any client tries again. */
  idempotencySeconds: 300,
  /** Characters of an `Idempotency-Key`. A UUID has 36. */
  maxIdempotencyKeyChars: 255,
} as const;
