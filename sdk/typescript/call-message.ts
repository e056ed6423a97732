// The messages of a socket of calls: a request as its text, and the reply in an answer's text. Bodies are never parsed here.

import { SOCKET_CALLS } from "../protocol.ts";
import type { Reply, Request } from "./transport.ts";

/** As in config/limits.ts of memX. */
const MAX_FRAME_BYTES = 1024 * 1024;
const MAX_FRAME_CALLS = 1_000;

/** `{"id":…` and a line break. */
const MAX_ID_CHARS = 32;

const NAMES = new Map<string, string>(Object.entries(SOCKET_CALLS).map(([name, call]) => [call, name]));

/** The members before the body are numbers, and nothing follows the body. */
const ANSWER = /^\{((?:"\w+":[\d.]+,)+)"body":/;

export type Message = {
  readonly name: string;
  /** The message after its id. */
  readonly rest: string;
  /** Bytes of the whole message, or a few more. */
  readonly bytes: number;
};

export function isSocketCall({ method, path }: Request["call"]): boolean {
  return NAMES.has(`${method} ${path}`);
}

/** Returns `undefined` for a call that only HTTP has, or has room for. */
export function toMessage(request: Request, agent: string | undefined): Message | undefined {
  const { call, idempotencyKey: idempotency } = request;
  const name = NAMES.get(`${call.method} ${call.path}`);
  if (name === undefined) return undefined;
  const fields = { call: name, ...(idempotency !== undefined && { idempotency, agent }) };
  const body = request.body ?? JSON.stringify(call.query ?? {});
  const rest = `,${JSON.stringify(fields).slice(1, -1)},"body":${body}}`;
  const bytes = MAX_ID_CHARS + countBytes(rest);
  return bytes > MAX_FRAME_BYTES ? undefined : { name, rest, bytes };
}

/** Joins messages into as few frames as memX takes. */
export function* joinMessages(messages: Iterable<readonly [id: number, message: Message]>): Generator<string> {
  let texts: string[] = [];
  let bytes = 0;
  for (const [id, message] of messages) {
    if (texts.length > 0 && (bytes + message.bytes > MAX_FRAME_BYTES || texts.length === MAX_FRAME_CALLS)) {
      yield texts.join("\n");
      [texts, bytes] = [[], 0];
    }
    texts.push(`{"id":${id}${message.rest}`);
    bytes += message.bytes;
  }
  if (texts.length > 0) yield texts.join("\n");
}

/** Returns `undefined` for a text that is no answer. */
export function readAnswer(text: string): { readonly id: number; readonly reply: Reply } | undefined {
  const [start, numbers = ""] = ANSWER.exec(text) ?? [];
  if (start === undefined || !text.endsWith("}")) return undefined;
  const { id, status, retry, revision } = readNumbers(numbers);
  if (id === undefined || status === undefined) return undefined;
  const retryAfterMs = retry === undefined ? undefined : Math.ceil(retry * 1_000);
  return { id, reply: { status, text: text.slice(start.length, -1), retryAfterMs, revision } };
}

/** Not `JSON.parse`, which would cost more than the rest. */
function readNumbers(text: string): { readonly [name: string]: number | undefined } {
  const numbers: Record<string, number> = {};
  for (const member of text.split(",")) {
    const at = member.indexOf(":");
    if (at > 0) numbers[member.slice(1, at - 1)] = Number(member.slice(at + 1));
  }
  return numbers;
}

function countBytes(text: string): number {
  // Counted only if it may matter.
  return text.length * 3 < MAX_FRAME_BYTES ? text.length * 3 : new TextEncoder().encode(text).length;
}
