// The calls that agents make most often, `GET /get` and `POST /set`, without the chain of app.ts, which costs a small call a tenth of
// its time. They are handled by the functions that the chain calls, in its order: authenticate, limit, check, call, headers. What is
// not the plain form of such a call goes through the chain. test/http/hot-calls.test.ts compares the responses.

import { LIMITS } from "../config/limits.ts";
import { reportError } from "../memory/report-error.ts";
import { type RequestVariables, withVariables } from "../memory/request-context.ts";
import { timed } from "../memory/server-timing.ts";
import { workShare } from "../memory/work-share.ts";
import type { CallContext } from "./app-env.ts";
import { findCaller } from "./request/authenticate.ts";
import { errorHeaders, finishResponse, requestIdOf } from "./response/headers.ts";
import { getValue, setValue } from "./routes/values.ts";

type Handler = (c: CallContext) => Promise<Response>;

/** Returns `undefined` if the request is not a hot call. */
export function hotCall(request: Request, env: Env, executionCtx: CallContext["executionCtx"]) {
  const route = routeOf(request);
  if (!route) return undefined;
  const startMs = Date.now();
  const requestId = requestIdOf(request.headers.get("x-request-id"));
  const variables: RequestVariables = { requestId, timings: [] };
  return withVariables(variables, async () => {
    const response = await respond(request, route.handle, { env, executionCtx }, variables);
    return finishResponse(response, { env, route: () => route.path, startMs, ...variables });
  });
}

function routeOf(request: Request): { readonly path: string; readonly handle: Handler } | undefined {
  const { url, method } = request;
  // After "https://".
  const start = url.indexOf("/", 8);
  if (method === "GET" && url.startsWith("/get?", start) && request.body === null) {
    return { path: "/get", handle: getValue };
  }
  if (method === "POST" && url.length === start + 4 && url.endsWith("/set") && hasShortBody(request)) {
    return { path: "/set", handle: setValue };
  }
  return undefined;
}

/** Whether the length is announced, and not past the limit. */
function hasShortBody({ headers }: Request): boolean {
  const length = headers.get("content-length");
  return length !== null && Number(length) <= LIMITS.maxBodyBytes && !headers.has("transfer-encoding");
}

async function respond(
  request: Request,
  handle: Handler,
  { env, executionCtx }: Pick<CallContext, "env" | "executionCtx">,
  variables: RequestVariables,
): Promise<Response> {
  try {
    const { headers } = request;
    const caller = await timed("access", findCaller(headers, env));
    variables.workShare = workShare(env, caller.namespace);
    let body: Promise<ArrayBuffer> | undefined;
    const req = {
      url: request.url,
      method: request.method,
      header: (name: string) => headers.get(name) ?? undefined,
      arrayBuffer() {
        body ??= request.arrayBuffer();
        return body;
      },
    };
    return await handle({ req, env, executionCtx, var: { caller } });
  } catch (error) {
    return reportError(error).toResponse(errorHeaders(variables.requestId));
  }
}
