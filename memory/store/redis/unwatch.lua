-- Ends the watch of a key, unless a later watch has replaced it.
--
-- KEYS  1  entry of the key
-- ARGV  1  token of the watch
--       2  seconds that a tombstone is kept
--
-- Returns '1' if the watch ended, '0' if the token is of another watch.

if redis.call('HGET', KEYS[1], 'watcher') ~= ARGV[1] then return '0' end
-- A key that was never written then has no fields left, and Redis removes the hash.
redis.call('HDEL', KEYS[1], 'watcher', 'watched_from')
if redis.call('HEXISTS', KEYS[1], 'value_revision') + redis.call('HEXISTS', KEYS[1], 'schema_revision') == 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return '1'
