-- From now on the changes of a key, or of all, say that they are watched.
--
-- KEYS  1  entry of the key, or of the namespace
--       2  counter
--       3  begin: where the namespace began to count
-- ARGV  1  token of the watch
--
-- Answers the revision of the namespace's last change, or where the first one will begin to count.

local revision = redis.call('GET', KEYS[2])
if not revision then
  -- As write.lua begins.
  local time = redis.call('TIME')
  revision = string.format('%.0f', math.floor(time[1] * 1e3 + time[2] / 1e3))
  redis.call('SET', KEYS[2], revision)
  redis.call('SET', KEYS[3], revision)
end
-- From here on, what is not known of the key has not happened: it does not expire while it is watched.
if redis.call('HEXISTS', KEYS[1], 'watcher') == 0 then redis.call('HSET', KEYS[1], 'watched_from', revision) end
redis.call('HSET', KEYS[1], 'watcher', ARGV[1])
redis.call('PERSIST', KEYS[1])
return revision
