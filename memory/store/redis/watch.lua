-- Marks a key, or a whole namespace, as watched, so that its later changes say so. First turns expired values into
-- changes. Runs after namespace.lua.
--
-- KEYS  8  entry of the key, or of the namespace
-- ARGV  3  key, '' for all keys
--       4  token of the watch
--       5  maximum number of keys to expire in this step
--
-- Returns {<revision of the namespace's last change, or the one from which it begins to count>, <milliseconds until the
-- next value expires, '' if none does>}.

local entry, key, token, limit = KEYS[8], ARGV[3], ARGV[4], ARGV[5]

run_when_full()
if not begun then
  begun = whole(revision)
  redis.call('SET', counter, begun)
  redis.call('SET', begin, begun)
end
local row = read_row(entry, key)
if key == '' then settle_all(entry, limit) else settle(row) end

-- From here on, the entry knows every change of the key, because Redis keeps the entry while the key is watched.
if not row.watched then redis.call('HSET', entry, 'watched_from', whole(revision)) end
redis.call('HSET', entry, 'watcher', token)
redis.call('PERSIST', entry)

local remaining = row.expires and whole(math.ceil((row.expires - now) / 1000)) or ''
return {whole(revision), key == '' and next_expiry() or remaining}
