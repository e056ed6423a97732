-- Ends the watch of a key, unless another one came after it.
--
-- KEYS  1  entry of the key
-- ARGV  1  token of the watch
--       2  seconds for which a tombstone stays
--
-- Answers '1' if it ended, '0' if it was another's.

if redis.call('HGET', KEYS[1], 'watcher') ~= ARGV[1] then return '0' end
-- Of a key that was never written nothing is left then, and Redis drops the hash.
redis.call('HDEL', KEYS[1], 'watcher', 'watched_from')
if redis.call('HEXISTS', KEYS[1], 'value_revision') + redis.call('HEXISTS', KEYS[1], 'schema_revision') == 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return '1'
