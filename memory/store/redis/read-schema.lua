-- Reads the schema of a key. It is a script so that the primary replies: a replica may still have an older schema.
--
-- KEYS  1  counter
--       2  entry of the key
--
-- Returns {<revision of the namespace's last change>, <JSON text>, <µs since the epoch>, <revision>, <agent>}, the others
-- nil if there is no schema.

local schema = redis.call('HMGET', KEYS[2], 'schema', 'schema_ts', 'schema_revision', 'schema_agent')
return {redis.call('GET', KEYS[1]) or '0', unpack(schema)}
