-- From now on the changes of a key say `watched`.
--
-- KEYS  1  entry of the key
-- ARGV  1  token of the watch
--
-- Answers the revision of the key's last change, '0' for none.

redis.call('HSET', KEYS[1], 'watcher', ARGV[1])
redis.call('PERSIST', KEYS[1])
return redis.call('HGET', KEYS[1], 'revision') or '0'
