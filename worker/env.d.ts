// Settings that wrangler.toml does not name, because they are unset by default.

interface Settings {
  /** The access list as JSON, in a secret. */
  readonly MEMX_ACL?: string;
  /** `development` honours config/acl.json. Only `npm run dev` sets it. */
  readonly MEMX_ENV?: string;
  /** The Supabase project whose `api_keys` table is then the only source of API keys. Needs the service key, which is a secret. */
  readonly SUPABASE_URL?: string;
  readonly SUPABASE_SERVICE_KEY?: string;
  /** The project's anon key or publishable key, which the dashboard shows to every browser. With it, people sign in there. */
  readonly SUPABASE_ANON_KEY?: string;
  /** Seconds until a revoked API key stops working; its open sockets close within half as long again. @default 60 */
  readonly REVOCATION_SECONDS?: string;
  /** Origins of web pages that may call /mcp, separated by spaces or commas: `https://app.example`. @default only memX's own */
  readonly MCP_ORIGINS?: string;
  /** Calls of an API key in 10 seconds where no RATE_LIMITER is bound; 0 for any number. @default 2000 */
  readonly RATE_LIMIT?: string;
  /** Counts calls per API key. Bound in wrangler.toml, and missing outside Cloudflare, where memX counts by itself. */
  readonly RATE_LIMITER?: RateLimit;
  /** The bearer token of GET /metrics, a secret of at least 16 characters. @default no metrics */
  readonly METRICS_TOKEN?: string;
  /** Outside Cloudflare, a port of 127.0.0.1 with the metrics of all processes, without a token. @default none */
  readonly METRICS_PORT?: string;
  /** On Cloudflare, the data set of Workers Analytics Engine that gets the same numbers. @default none */
  readonly METRICS_DATASET?: AnalyticsEngineDataset;
  /** The URL of Redis over Upstash's REST protocol. If it and the token are set, Redis is the store. */
  readonly UPSTASH_REDIS_REST_URL?: string;
  readonly UPSTASH_REDIS_REST_TOKEN?: string;
  /**
   * The name of this process among those that share a Redis: letters, digits, `-` and `_`. selfhost/ sets it and passes on what
   * other processes write. @default none, and changes of others arrive with a repair
   */
  readonly MEMX_PROCESS?: string;
  /**
   * Milliseconds that one request to Redis may take, from 100 to 60000. A caller gets its response within 2.25 times as long,
   * on either store. @default 2000
   */
  readonly STORE_TIMEOUT_MS?: string;
  /**
   * Requests of its own that the platform lets one invocation of the Worker make. A socket of calls asks for its successor
   * before. @default 50 with Redis and 1000 without, as on Cloudflare's free plan; 1000000 outside Cloudflare
   */
  readonly SUBREQUEST_LIMIT?: string;
  /**
   * Where subscribers are, for the relays of a channel with many of them: a location hint of Cloudflare, or `auto` for that of
   * each request. @default no relays
   */
  readonly REGION?: string;
  /** Subscribers with which a channel, and a relay, sends newcomers on to a relay. @default 2000 */
  readonly RELAY_KEEP?: string;
  readonly RELAY_LEAF?: string;
  /** Changes that a namespace's log keeps. @default 1000 */
  readonly LOG_LENGTH?: string;
  /** The most keys with a value or a schema that a namespace may have. @default no limit */
  readonly MAX_NAMESPACE_KEYS?: string;
  /** The most bytes that the values and schemas of a namespace may have together. @default no limit */
  readonly MAX_NAMESPACE_BYTES?: string;
}

interface Env extends Settings {}

declare namespace Cloudflare {
  interface Env extends Settings {}
}
