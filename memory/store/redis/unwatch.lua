-- Ends the watch of a key, unless a later watch of its owner has replaced it. Runs after namespace.lua.
--
-- KEYS  8  entry of the key, or of the namespace
-- ARGV  3  token of the watch
--
-- Returns '1' if the watch ended, '0' if it had ended before.

local entry, token = KEYS[8], ARGV[3]
local marks, ended = {}, false
for _, mark in ipairs(marks_of(redis.call('HGET', entry, 'watcher'))) do
  if mark.token == token then ended = true else marks[#marks + 1] = mark end
end
if not ended then return '0' end
run_when_full()
if #marks > 0 then
  write_marks(entry, marks)
else
  -- A key that was never written then has no fields left, and Redis removes the hash.
  redis.call('HDEL', entry, 'watcher', 'watched_from')
  local row = read_row(entry)
  -- An earlier memX kept the tombstone for as long as the key was watched.
  if not row.indexed then redis.call('EXPIRE', entry, tombstone_seconds) end
end
return '1'
