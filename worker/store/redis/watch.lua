-- From now on the changes of a key, or of all, say that they are watched.
--
-- KEYS  1  entry of the key, or of the namespace
--       2  counter
-- ARGV  1  token of the watch
--
-- Answers the revision of the namespace's last change, '0' for none.

redis.call('HSET', KEYS[1], 'watcher', ARGV[1])
redis.call('PERSIST', KEYS[1])
return redis.call('GET', KEYS[2]) or '0'
