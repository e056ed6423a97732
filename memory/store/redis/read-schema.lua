-- Reads the schema of a key. It is a script so that the primary replies: a replica may still have an older schema.
--
-- KEYS  1  entry of the key
--
-- Returns {<JSON text>, <µs since the epoch>, <revision>, <agent>}, all nil if there is no schema.

return redis.call('HMGET', KEYS[1], 'schema', 'schema_ts', 'schema_revision', 'schema_agent')
