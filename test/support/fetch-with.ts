// Reaches the app with other settings than those of the project.

import { createExecutionContext } from "cloudflare:test";
import { app } from "../../worker/app.ts";
import type { Fetch } from "./subscriber.ts";

export const fetchWith =
  (settings: object): Fetch =>
  async (path, init) =>
    app.fetch(new Request(`http://memx${path}`, init), settings as Env, createExecutionContext());
