// The type of the app, named once: its bindings, and what middleware puts into `c.var`.

import type { Context } from "hono";
import type { Caller } from "../memory/access/principal.ts";
import type { RequestVariables } from "../memory/request-context.ts";
import type { Committer } from "../memory/writes/commit.ts";
import { readAgentName } from "./request/agent-name.ts";

export type AppEnv = {
  Bindings: Env;
  Variables: RequestVariables & {
    /** Set by `authenticate`, and so only below that line of app.ts. */
    caller: Caller;
  };
};

export type AppContext = Context<AppEnv>;

/**
 * Who writes, for `commit`.
 * @throws {ApiError} `invalid_request`
 */
export function committer(c: AppContext): Committer {
  const { env, executionCtx } = c;
  return { env, executionCtx, caller: c.var.caller, by: readAgentName(c) };
}
