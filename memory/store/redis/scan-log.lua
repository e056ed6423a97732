-- Reads which changes of all keys are in the log after a revision, without the texts that they set.
--
-- KEYS  1  counter
--       2  begin
--       3  log
-- ARGV  1  revision
--       2  maximum number of changes
--
-- Returns {<1 if more changes follow, else 0>, <1 if changes are missing from the log, else 0>, <revision of the
-- namespace's last change>, then for each change: revision, key, event}.

local log, after, limit = KEYS[3], tonumber(ARGV[1]), tonumber(ARGV[2])

local function revision_of(change) return string.match(change[1], '^%d+') end

local function fields_of(change)
  local fields = {}
  for at = 1, #change[2], 2 do fields[change[2][at]] = change[2][at + 1] end
  return fields
end

local reply = {'0', '0', redis.call('GET', KEYS[1]) or '0'}
local changes = redis.call('XRANGE', log, '(' .. ARGV[1] .. '-0', '+', 'COUNT', limit + 1)
for n, change in ipairs(changes) do
  if n > limit then
    reply[1] = '1'
    break
  end
  local fields = fields_of(change)
  for _, item in ipairs({revision_of(change), fields.key, fields.event}) do reply[#reply + 1] = item end
end

-- As in read-log.lua, for all keys.
local function complete()
  if after < tonumber(redis.call('GET', KEYS[2]) or 0) then return false end
  local gap = changes[1] and fields_of(changes[1]).after
  if gap and tonumber(gap) < after then return false end
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  return not oldest or tonumber(fields_of(oldest).after or revision_of(oldest) - 1) <= after
end
if not complete() then reply[2] = '1' end
return reply
