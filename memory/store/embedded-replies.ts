// What the object of the embedded store returns from the calls that are made most: as text, because the platform takes longer to send
// an object with many members than to send its text. The first line is JSON. What follows it is a stored text, if there is one.

import type { AppliedVersions, EntryRead, Refused, SchemaRead } from "./store.ts";

/** `WriteOutcome` as the object has it. */
export type EmbeddedOutcome = AppliedVersions | Refused;

/** `CallOutcome` as the object has it. An error loses its class over RPC. */
export type EmbeddedCallOutcome =
  | { readonly outcome: "done"; readonly reply: EmbeddedReply }
  | { readonly outcome: "failed"; readonly message: string }
  | { readonly outcome: "deferred" };

type EmbeddedReply = EmbeddedOutcome | EntryRead | SchemaRead;

/** A packed reply. `T` is what it unpacks to. */
export type Packed<T> = string & { readonly packed?: T };

/** A packed outcome of one call among several. */
export type PackedCallOutcome = Packed<EmbeddedReply> | Exclude<EmbeddedCallOutcome, { outcome: "done" }>;

export function unpackOutcome(packed: PackedCallOutcome): EmbeddedCallOutcome {
  return typeof packed === "string" ? { outcome: "done", reply: unpack(packed) } : packed;
}

/** @param reply its texts are in memory already, and travel as they are */
export function pack<T extends EmbeddedReply>(reply: T): Packed<T> {
  if ("valueLength" in reply) {
    const { text, valueLength, revision, head } = reply;
    return `${valueLength} ${revision} ${head}\n${text}`;
  }
  if ("schema" in reply && reply.schema) {
    const { schema: text, ...schema } = reply.schema;
    return `${JSON.stringify({ ...reply, schema })}\n${text}`;
  }
  return JSON.stringify(reply);
}

export function unpack<T extends EmbeddedReply>(packed: Packed<T>): T {
  const end = packed.indexOf("\n");
  if (end < 0) return JSON.parse(packed);
  const text = packed.slice(end + 1);
  if (!packed.startsWith("{")) {
    const [valueLength, revision, head] = packed.slice(0, end).split(" ").map(Number);
    return { text, valueLength, revision, head } as EntryRead as T;
  }
  const reply = JSON.parse(packed.slice(0, end));
  reply.schema.schema = text;
  return reply;
}
