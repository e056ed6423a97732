// Settings that wrangler.toml does not name, because they have no value unless somebody gives them one.

interface Settings {
  /** The access list as JSON, in a secret. */
  readonly MEMX_ACL?: string;
  /** `development` honours config/acl.json. Only `npm run dev` sets it. */
  readonly MEMX_ENV?: string;
  /** Where Redis answers over Upstash's REST protocol. With it and the token, Redis is the store. */
  readonly UPSTASH_REDIS_REST_URL?: string;
  readonly UPSTASH_REDIS_REST_TOKEN?: string;
  /** Changes that a namespace's log keeps. @default 1000 */
  readonly LOG_LENGTH?: string;
  /** Keys of a namespace that may hold a value or have a schema. @default any number */
  readonly MAX_NAMESPACE_KEYS?: string;
  /** Bytes that the values and schemas of a namespace may have together. @default any number */
  readonly MAX_NAMESPACE_BYTES?: string;
}

interface Env extends Settings {}

declare namespace Cloudflare {
  interface Env extends Settings {}
}
