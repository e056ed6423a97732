-- Marks a key, or a whole namespace, as watched, so that its later changes say so, or renews the mark. First turns expired values into
-- changes. Runs after namespace.lua.
--
-- KEYS  8  entry of the key, or of the namespace
-- ARGV  3  key, '' for all keys
--       4  token of the watch: replaces the mark of the same owner
--       5  maximum number of keys to expire in this step
--
-- Returns {<revision of the namespace's last change, or the one from which it begins to count>, <milliseconds until the
-- next value expires, '' if none does>}.

local entry, key, token, limit = KEYS[8], ARGV[3], ARGV[4], ARGV[5]

run_when_full()
if not begun then
  continue_count()
  begun = whole(revision)
  count(counter, begun)
  count(begin, begun)
  store_counts()
end
local row = read_row(entry, key)
if key == '' then settle_all(entry, limit) else settle(row) end
trim_log()

-- From here on, the entry knows every change of the key, because each renewal keeps it for another day.
redis.call('HSETNX', entry, 'watched_from', whole(revision))
-- Without the process, whose name is another one after a restart.
local function owner_of(token) return string.match(token, ':([^.]*)') or string.match(token, '^[^.]*') end
local marks = {}
for _, mark in ipairs(row.marks) do
  if owner_of(mark.token) ~= owner_of(token) then marks[#marks + 1] = mark end
end
-- The channel whose mark is dropped sets it again when it next renews.
if #marks == MAX_MARKS then table.remove(marks, 1) end
marks[#marks + 1] = {token = token, ends = whole(now + MARK_US)}
write_marks(entry, marks)
if not row.indexed then redis.call('EXPIRE', entry, tombstone_seconds) end

local remaining = row.expires and whole(math.ceil((row.expires - now) / 1000)) or ''
return {whole(revision), key == '' and next_expiry() or remaining}
