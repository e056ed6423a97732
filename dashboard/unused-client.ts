// Takes the place of the parts of the client that the dashboard does not use, as config/supabase-stubs.ts does in the Worker.
// dashboard/vite.config.ts names their files.

import { Http } from "../sdk/typescript/http.ts";
import type { Options } from "../sdk/typescript/options.ts";

function unused(): never {
  throw new Error("The dashboard does not have this part of the client.");
}

/** Of `subscribe`; the page only watches patterns. */
export class AccessCheck {
  readonly check = unused;
}

/** The page sends only text that it has parsed itself. */
export function checkJson(): void {}

/** The origin of the page is a good URL. */
export function readBaseUrl(origin: string): string {
  return origin;
}

/** What the page passes is right, and the compiler knows it. */
export function readAgent(agent: string): string {
  return agent;
}
export function requireFunction<F>(_name: string, option: F): F {
  return option;
}
export function readMs(_name: string, ms: number): number {
  return ms;
}
export function readRetries(retries: number): number {
  return retries;
}
export function readCalls(): "http" {
  return "http";
}
export function readEnvironment(): undefined {}
export function refuseUnknown(): void {}
export function checkSubscribeOptions(): void {}

/** The page reads the newest state. */
export function readReads(): "strong" {
  return "strong";
}
export class Reads {
  note(): void {}
  freshen<C>(call: C): C {
    return call;
  }
}
export function readRevision(): undefined {}

/** Every browser that runs the page follows the signals of its callers itself. */
export function followSignal(signal: AbortSignal): AbortSignal {
  return signal;
}

/** The page only watches `*`. */
export function mergePatterns(patterns: Iterable<string>): string[] {
  return [...new Set(patterns)];
}

export const acquireLease = unused;
export const leaseTransport = unused;
export const checkMirrorOptions = unused;
export const Mirror = unused;
export const updateValue = unused;
export const TypedKey = unused;
export const EventStream = unused;

/** The page makes few calls at a time. */
export class ChooseTransport {
  readonly use;

  constructor(options: Options) {
    const http = new Http(options);
    this.use = <T>(_: unknown, __: unknown, attempt: (transport: Http) => T): T => attempt(http);
  }

  close(): void {}
}
