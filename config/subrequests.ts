// Reads how many requests of its own one invocation of the Worker may make. A socket of calls is one invocation.

/** What Cloudflare's free plan allows: to its own services, and to others such as Redis. */
const EMBEDDED = 1_000;
const REDIS = 50;
/** Outside Cloudflare there is no limit. */
const ELSEWHERE = 1_000_000;

/** A socket ends before the limit: what is in flight then needs some more. */
const USED = 0.8;

/** The requests after which a socket of calls asks for its successor, and those after which it takes no more calls. */
export function socketRequests(
  { SUBREQUEST_LIMIT }: { readonly SUBREQUEST_LIMIT?: string | undefined },
  { engine, onCloudflare }: { readonly engine: string; readonly onCloudflare: boolean },
): { readonly renewAt: number; readonly endAt: number } {
  const platform = onCloudflare ? (engine === "redis" ? REDIS : EMBEDDED) : ELSEWHERE;
  const limit = subrequestLimit({ SUBREQUEST_LIMIT }) ?? platform;
  return { renewAt: Math.floor(USED * limit), endAt: Math.floor((0.5 + USED / 2) * limit) };
}

/** The setting, or `undefined` if there is none. @throws {Error} if it is not valid */
export function subrequestLimit({ SUBREQUEST_LIMIT }: { readonly SUBREQUEST_LIMIT?: string | undefined }) {
  if (!SUBREQUEST_LIMIT) return undefined;
  const limit = Number(SUBREQUEST_LIMIT);
  if (!Number.isInteger(limit) || limit < 10 || limit > 1_000_000_000) {
    throw new Error("SUBREQUEST_LIMIT must be a whole number from 10 to 1000000000.");
  }
  return limit;
}
