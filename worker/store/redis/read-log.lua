-- The changes of one key after a revision, oldest first, as far as the log still has them.
--
-- KEYS  1  log
-- ARGV  1  key
--       2  revision to start after
--       3  bytes of JSON text after which to stop
--
-- Answers {<more follow: 1 or 0>, <the log begins later: 1 or 0>, and for each change its revision, previous, event,
-- action, µs since the epoch, and JSON text or nil}.

local log, key, after, max_bytes = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function revision_of(change) return string.match(change[1], '^%d+') end

local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local answer = {'0', (oldest and after + 1 < tonumber(revision_of(oldest))) and '1' or '0'}
local from = '(' .. ARGV[2] .. '-0'
local bytes = 0
repeat
  -- A few at a time, because values may be large and most may be of other keys.
  local changes = redis.call('XRANGE', log, from, '+', 'COUNT', 32)
  for _, change in ipairs(changes) do
    local fields = {}
    for n = 1, #change[2], 2 do fields[change[2][n]] = change[2][n + 1] end
    if fields.key == key then
      if bytes > max_bytes then
        answer[1] = '1'
        return answer
      end
      answer[#answer + 1] = revision_of(change)
      answer[#answer + 1] = fields.previous
      answer[#answer + 1] = fields.event
      answer[#answer + 1] = fields.action
      answer[#answer + 1] = fields.ts
      answer[#answer + 1] = fields.json or false
      bytes = bytes + #(fields.json or '')
    end
    from = '(' .. change[1]
  end
until #changes == 0
return answer
