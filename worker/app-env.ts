// The type of the app, named once: its bindings, and what middleware puts into `c.var`.

import type { Context } from "hono";
import type { Caller } from "../memory/access/principal.ts";
import type { RequestVariables } from "../memory/request-context.ts";
import { openStore } from "../memory/store/open-store.ts";
import type { Committer } from "../memory/writes/commit.ts";
import type { Reader } from "./calls/call.ts";
import { readAgentName } from "./request/agent-name.ts";

export type AppEnv = {
  Bindings: Env;
  Variables: RequestVariables & {
    /** Set by `authenticate`, and so only below that line of app.ts. */
    caller: Caller;
  };
};

export type AppContext = Context<AppEnv>;

/** What a call needs to know of its request. Hono's context has it, and that of a hot call, which has no more. */
export type CallContext = {
  readonly req: {
    readonly url: string;
    readonly method: string;
    header(name: string): string | undefined;
    /** The body, also if it has been read already. */
    arrayBuffer(): Promise<ArrayBuffer>;
  };
  readonly env: Env;
  readonly executionCtx: Pick<ExecutionContext, "waitUntil">;
  readonly var: { readonly caller: Caller };
};

/** Who reads, and from which store. */
export function reader(c: Pick<CallContext, "env" | "var">): Reader {
  return { env: c.env, caller: c.var.caller, store: openStore(c.env) };
}

/**
 * Who writes, for `commit`.
 * @throws {ApiError} `invalid_request`
 */
export function committer(c: CallContext): Committer {
  return { ...reader(c), executionCtx: c.executionCtx, by: readAgentName(c) };
}
