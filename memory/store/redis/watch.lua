-- From now on the changes of a key, or of all, say that they are watched. What has expired by now becomes a change first.
-- After namespace.lua.
--
-- KEYS  8  entry of the key, or of the namespace
-- ARGV  3  key, '' for all
--       4  token of the watch
--       5  how many keys may expire in this step
--
-- Answers {<revision of the namespace's last change, or where the first one will begin to count>, <milliseconds until the next
-- value expires, '' for none>}.

local entry, key, token, limit = KEYS[8], ARGV[3], ARGV[4], ARGV[5]

if not begun then
  begun = whole(revision)
  redis.call('SET', counter, begun)
  redis.call('SET', begin, begun)
end
local row = read_row(entry, key)
if key == '' then settle_all(entry, limit) else settle(row) end

-- From here on, what is not known of the key has not happened: it does not go while it is watched.
if not row.watched then redis.call('HSET', entry, 'watched_from', whole(revision)) end
redis.call('HSET', entry, 'watcher', token)
redis.call('PERSIST', entry)

local remaining = row.expires and whole(math.ceil((row.expires - now) / 1000)) or ''
return {whole(revision), key == '' and next_expiry() or remaining}
