-- The record of a write that can be repeated. A script, so that the primary answers: a replica may not have it yet.
--
-- KEYS  1  idempotency record
--
-- Answers its text, or nil.

return redis.call('GET', KEYS[1])
