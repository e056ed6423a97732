# memX on workerd, for your own machine: the bundle that a deploy uploads, with settings from the environment and data
# in a folder. `npm start` serves it and sets the folders and the address. To run it by hand from the root of the
# repository: `npm run build && mkdir data && npx workerd serve --experimental config/workerd.capnp`.
# MEMX_ENV is not bound, so that no production start accepts the public development key. workerd
# has no rate limiter to bind, so memX counts calls itself.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    ( name = "memx", worker = .memx ),
    ( name = "data", disk = ( path = "data", writable = true ) ),
    # The dashboard, and the files of the page at /docs. The Worker decides which of them it serves.
    ( name = "assets", disk = ( path = "dashboard/dist" ) ),
    # The Redis bridge is on this machine, and Supabase may be on the local network. By default workerd reaches neither.
    ( name = "internet", network = (
        allow = ["public", "private", "local"],
        tlsOptions = ( trustBrowserCas = true ),
    ) ),
  ],
  sockets = [
    ( name = "http", address = "127.0.0.1:8000", service = "memx" ),
    # A call removes expired values from Redis. On Cloudflare a cron trigger does that; here selfhost/start.ts calls
    # this socket, and no other client needs it.
    ( name = "sweep", address = "127.0.0.1:0", service = ( name = "memx", entrypoint = "sweep" ) ),
    # Takes what other processes on the same Redis have written, from the bridge of this one.
    ( name = "news", address = "127.0.0.1:0", service = ( name = "memx", entrypoint = "news" ) ),
    # What this process has counted, for selfhost/metrics-server.ts. Closed unless METRICS_PORT is set.
    ( name = "metrics", address = "127.0.0.1:0", service = ( name = "memx", entrypoint = "metrics" ) ),
  ],
);

const memx :Workerd.Worker = (
  # As in wrangler.toml.
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["nodejs_als","new_module_registry"],
  modules = [
    ( name = "index.js", esModule = embed "../dist/index.js" ),
    ( name = "mcp-sdk.mjs", esModule = embed "../dist/mcp-sdk.mjs" ),
    ( name = "check-health.lua", text = embed "../dist/check-health.lua" ),
    ( name = "expire.lua", text = embed "../dist/expire.lua" ),
    ( name = "namespace.lua", text = embed "../dist/namespace.lua" ),
    ( name = "read-changes.lua", text = embed "../dist/read-changes.lua" ),
    ( name = "read-entries.lua", text = embed "../dist/read-entries.lua" ),
    ( name = "read-entry.lua", text = embed "../dist/read-entry.lua" ),
    ( name = "read-keys.lua", text = embed "../dist/read-keys.lua" ),
    ( name = "read-log.lua", text = embed "../dist/read-log.lua" ),
    ( name = "read-many.lua", text = embed "../dist/read-many.lua" ),
    ( name = "read-names.lua", text = embed "../dist/read-names.lua" ),
    ( name = "read-record.lua", text = embed "../dist/read-record.lua" ),
    ( name = "read-schema.lua", text = embed "../dist/read-schema.lua" ),
    ( name = "scan-log.lua", text = embed "../dist/scan-log.lua" ),
    ( name = "unwatch.lua", text = embed "../dist/unwatch.lua" ),
    ( name = "watch.lua", text = embed "../dist/watch.lua" ),
    ( name = "write.lua", text = embed "../dist/write.lua" ),
  ],
  bindings = [
    ( name = "CHANNEL", durableObjectNamespace = "Channel" ),
    ( name = "EMBEDDED_STORE", durableObjectNamespace = "EmbeddedStore" ),
    ( name = "ASSETS", service = "assets" ),
    # A variable that the environment does not have is null, which counts as not set.
    ( name = "MEMX_ACL", fromEnvironment = "MEMX_ACL" ),
    ( name = "SUPABASE_URL", fromEnvironment = "SUPABASE_URL" ),
    ( name = "SUPABASE_SERVICE_KEY", fromEnvironment = "SUPABASE_SERVICE_KEY" ),
    ( name = "SUPABASE_ANON_KEY", fromEnvironment = "SUPABASE_ANON_KEY" ),
    ( name = "REVOCATION_SECONDS", fromEnvironment = "REVOCATION_SECONDS" ),
    ( name = "MCP_ORIGINS", fromEnvironment = "MCP_ORIGINS" ),
    ( name = "RATE_LIMIT", fromEnvironment = "RATE_LIMIT" ),
    ( name = "METRICS_TOKEN", fromEnvironment = "METRICS_TOKEN" ),
    ( name = "METRICS_PORT", fromEnvironment = "METRICS_PORT" ),
    ( name = "SUBREQUEST_LIMIT", fromEnvironment = "SUBREQUEST_LIMIT" ),
    ( name = "UPSTASH_REDIS_REST_URL", fromEnvironment = "UPSTASH_REDIS_REST_URL" ),
    ( name = "UPSTASH_REDIS_REST_TOKEN", fromEnvironment = "UPSTASH_REDIS_REST_TOKEN" ),
    ( name = "MEMX_PROCESS", fromEnvironment = "MEMX_PROCESS" ),
    ( name = "STORE_TIMEOUT_MS", fromEnvironment = "STORE_TIMEOUT_MS" ),
    ( name = "REGION", fromEnvironment = "REGION" ),
    ( name = "RELAY_KEEP", fromEnvironment = "RELAY_KEEP" ),
    ( name = "RELAY_LEAF", fromEnvironment = "RELAY_LEAF" ),
    ( name = "LOG_LENGTH", fromEnvironment = "LOG_LENGTH" ),
    ( name = "MAX_NAMESPACE_KEYS", fromEnvironment = "MAX_NAMESPACE_KEYS" ),
    ( name = "MAX_NAMESPACE_BYTES", fromEnvironment = "MAX_NAMESPACE_BYTES" ),
  ],
  # These keys name the folders under "data". With another key, memX would start with no data.
  durableObjectNamespaces = [
    ( className = "Channel", uniqueKey = "channel", enableSql = true ),
    ( className = "EmbeddedStore", uniqueKey = "store", enableSql = true ),
  ],
  durableObjectStorage = ( localDisk = "data" ),
);
