-- The changes of one key, or of all, on one side of a revision and from there on, as far as the log still has them. Looking
-- back, what the key held and has expired is a change first. After namespace.lua.
--
-- KEYS  8  entry of the key
-- ARGV  3  key, '' for all
--       4  'after', for what came after the revision, oldest first; or 'before', newest first
--       5  revision
--       6  how many changes at most
--       7  bytes of JSON text after which to stop
--
-- Answers {<more follow: 1 or 0>, <some are missing: 1 or 0, told for 'after' alone>, <revision of the namespace's last
-- change>, and for each change its revision, previous, key, event, action, µs since the epoch, and JSON text or nil}.

local entry, key, forward, from_revision = KEYS[8], ARGV[3], ARGV[4] == 'after', tonumber(ARGV[5])
local limit, max_bytes = tonumber(ARGV[6]), tonumber(ARGV[7])

if not forward then settle(read_row(entry, key)) end

local function revision_of(change) return string.match(change[1], '^%d+') end

local function fields_of(change)
  local fields = {}
  for n = 1, #change[2], 2 do fields[change[2][n]] = change[2][n + 1] end
  return fields
end

local answer = {'0', '0', redis.call('GET', counter) or '0'}
local first
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
    if key == '' or fields.key == key then
      if count == limit or text_bytes > max_bytes then
        answer[1] = '1'
        changes = {}
        break
      end
      first = first or fields
      local base, text = #answer, redis.call('HGET', texts, revision_of(change))
      answer[base + 1] = revision_of(change)
      answer[base + 2] = fields.previous
      answer[base + 3] = fields.key
      answer[base + 4] = fields.event
      answer[base + 5] = fields.action
      answer[base + 6] = fields.ts
      answer[base + 7] = text
      count = count + 1
      text_bytes = text_bytes + #(text or '')
    end
    from = '(' .. change[1]
  end
until #changes == 0

-- Whether nothing between the revision and the first change that was found after it has left the log.
local function complete()
  -- Another store gave that revision out, or this one before it was emptied.
  if from_revision < tonumber(redis.call('GET', begin) or 0) then return false end
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if not oldest or tonumber(revision_of(oldest)) <= from_revision + 1 then return true end
  if key == '' then return false end
  -- Of one key nothing is missing as long as its changes still lead from one to the next.
  local known = redis.call('HMGET', entry, 'revision', 'watched_from')
  local last = tonumber(first and first.previous or known[1] or 0)
  if last > 0 then return last <= from_revision end
  -- It was never written, or so long ago that it was forgotten, which can not be while it is watched.
  return known[2] and tonumber(known[2]) <= from_revision
end
if forward and not complete() then answer[2] = '1' end
return answer
