-- Reads the changes of one key, or of all keys, after or before a revision, as far as the log still has them. Before it
-- reads backward, it turns an expired value of the key into a change. Runs after namespace.lua.
--
-- KEYS  8  entry of the key
-- ARGV  3  key, '' for all keys
--       4  'after' for later changes, oldest first; 'before' for earlier changes, newest first
--       5  revision
--       6  maximum number of changes
--       7  bytes of JSON text after which to stop
--
-- Returns {<1 if more changes follow, else 0>, <1 if changes are missing from the log, else 0; only for 'after'>,
-- <revision of the namespace's last change>, then for each change: revision, previous, key, event, action, µs since the
-- epoch, JSON text, created, expires, agent}, with nil for what there is not.

local entry, key, forward, from_revision = KEYS[8], ARGV[3], ARGV[4] == 'after', tonumber(ARGV[5])
local limit, max_bytes = tonumber(ARGV[6]), tonumber(ARGV[7])

if not forward then
  local row = read_row(entry, key)
  -- A Redis that takes no writes is still read: the expiry becomes a change later.
  if row.over and run_when_full() then
    settle(row)
    trim_log()
  end
end

local function revision_of(change) return string.match(change[1], '^%d+') end

local function fields_of(change)
  local fields = {}
  for n = 1, #change[2], 2 do fields[change[2][n]] = change[2][n + 1] end
  return fields
end

local answer = {'0', '0', redis.call('GET', counter) or '0'}
local first, next_change
local count, text_bytes = 0, 0
local from = '(' .. ARGV[5] .. '-0'
repeat
  local changes
  if forward then
    changes = redis.call('XRANGE', log, from, '+', 'COUNT', 100)
  else
    changes = redis.call('XREVRANGE', log, from, '-', 'COUNT', 100)
  end
  for _, change in ipairs(changes) do
    local fields = fields_of(change)
    next_change = next_change or fields
    if key == '' or fields.key == key then
      if count == limit or text_bytes > max_bytes then
        answer[1] = '1'
        changes = {}
        break
      end
      first = first or fields
      local text = redis.call('HGET', texts, revision_of(change))
      for _, item in ipairs({
        revision_of(change), fields.previous, fields.key, fields.event, fields.action, fields.ts, text,
        fields.created or false, fields.expires or false, fields.agent or false,
      }) do answer[#answer + 1] = item end
      count = count + 1
      text_bytes = text_bytes + #(text or '')
    end
    from = '(' .. change[1]
  end
until #changes == 0

-- Whether the log still has every change between the revision and the first change found after it.
local function complete()
  -- The revision comes from another store, or from this one before it was emptied.
  if from_revision < tonumber(redis.call('GET', begin) or 0) then return false end
  -- The revision is of a change that Redis has lost.
  if next_change and next_change.after and tonumber(next_change.after) < from_revision then return false end
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if not oldest or tonumber(fields_of(oldest).after or revision_of(oldest) - 1) <= from_revision then return true end
  if key == '' then return false end
  -- For one key, the log is complete as long as each change still links to the one before it.
  local known = redis.call('HMGET', entry, 'revision', 'watched_from')
  local last = tonumber(first and first.previous or known[1] or 0)
  if last > 0 then return last <= from_revision end
  -- The key was never written, or its tombstone has expired, which cannot happen while the key is watched.
  return known[2] and tonumber(known[2]) <= from_revision
end
if forward and not complete() then answer[2] = '1' end
return answer
