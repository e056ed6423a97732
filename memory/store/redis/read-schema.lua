-- The schema of a key. A script, so that the primary answers: a replica may be a schema behind.
--
-- KEYS  1  entry of the key
--
-- Answers {<JSON text>, <µs since the epoch>, <revision>}, each nil for none.

return redis.call('HMGET', KEYS[1], 'schema', 'schema_ts', 'schema_revision')
