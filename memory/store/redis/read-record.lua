-- Reads an idempotency record. It is a script so that the primary replies: a replica may not have the record yet.
--
-- KEYS  1  idempotency record
--
-- Returns its text, or nil.

return redis.call('GET', KEYS[1])
