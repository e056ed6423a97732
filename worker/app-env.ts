// The type of the app, named once: its bindings, and what middleware puts into `c.var`.

import type { Context } from "hono";
import type { Caller } from "../memory/access/principal.ts";
import type { RequestVariables } from "../memory/request-context.ts";
import type { Committer } from "../memory/writes/commit.ts";

export type AppEnv = {
  Bindings: Env;
  Variables: RequestVariables & {
    /** Set by `authenticate`, and so only below that line of app.ts. */
    caller: Caller;
  };
};

export type AppContext = Context<AppEnv>;

/** Who writes, for `commit`. */
export function committer({ env, executionCtx, var: { caller } }: AppContext): Committer {
  return { env, executionCtx, caller };
}
