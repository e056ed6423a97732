// API keys of a test's own. They are in the configuration itself, because channels ask it too, again and again.

import { env } from "cloudflare:workers";
import developmentList from "../../config/acl.json";

export type Listed = {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly user_id: string;
  readonly name?: string;
};

/** From now on these are good too, for the Worker and for every channel. */
export function grant(keys: Readonly<Record<string, Listed>>): void {
  const list = env.MEMX_ACL ? JSON.parse(env.MEMX_ACL) : developmentList;
  Object.assign(env, { MEMX_ACL: JSON.stringify({ ...list, ...keys }) });
}

/** From now on it is not. */
export function revoke(apiKey: string): void {
  const { [apiKey]: _, ...list } = JSON.parse(env.MEMX_ACL ?? "{}");
  Object.assign(env, { MEMX_ACL: JSON.stringify(list) });
}
