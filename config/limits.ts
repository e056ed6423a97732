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
  /** Seconds for which a write can be repeated under its `Idempotency-Key`: longer than any client tries again. */
  idempotencySeconds: 300,
  /** Characters of an `Idempotency-Key`. A UUID has 36. */
  maxIdempotencyKeyChars: 255,
} as const;
