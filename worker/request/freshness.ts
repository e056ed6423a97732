// How new the state must be that a read answers from. Every read of today is from the store of record, and so the newest state.

import { ApiError } from "../../memory/errors.ts";
import { MIN_REVISION_HEADER } from "../../sdk/protocol.ts";
import type { CallContext } from "../app-env.ts";
import { invalid } from "./read-request.ts";
import { freshnessText } from "./shapes.ts";

const REVISION = new RegExp(freshnessText.min_revision.pattern);

/** Text in a query, a number in a body. */
type Freshness = { readonly min_revision?: string | number; readonly max_age?: string | number };

/**
 * Returns the request with the revision of its header, if that is the higher one.
 * @throws {ApiError} `invalid_request`
 */
export function withHeaderRevision<T extends Freshness>(c: Pick<CallContext, "req">, request: T): T & Freshness {
  const header = c.req.header(MIN_REVISION_HEADER);
  if (header === undefined) return request;
  if (!REVISION.test(header)) {
    throw invalid("request", [{ path: "", message: `The header ${MIN_REVISION_HEADER} must be a revision.` }]);
  }
  return Number(header) > Number(request.min_revision ?? 0) ? { ...request, min_revision: header } : request;
}

/**
 * @param head revision of the namespace's last change when it was read
 * @throws {ApiError} `revision_ahead`
 */
export function requireFresh(head: number, { min_revision: asked = 0 }: Freshness): void {
  if (Number(asked) <= head) return;
  const detail = `The namespace is at revision ${head}. A higher one is from another memX, or from a store that has lost it.`;
  throw new ApiError("revision_ahead", detail, { revision: head });
}
