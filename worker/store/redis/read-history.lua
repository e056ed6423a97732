-- The last changes of one key below a revision, newest first, as far as the log still has them.
--
-- KEYS  1  log
--       2  texts
-- ARGV  1  key
--       2  revision to start below
--       3  how many changes at most
--       4  bytes of JSON text after which to stop
--
-- Answers, for each change, its revision, previous, key, event, action, µs since the epoch, and JSON text or nil.

local log, texts, key = KEYS[1], KEYS[2], ARGV[1]
local limit, max_bytes = tonumber(ARGV[3]), tonumber(ARGV[4])

local answer = {}
local count, bytes = 0, 0
local from = '(' .. ARGV[2] .. '-0'
repeat
  local changes = redis.call('XREVRANGE', log, from, '-', 'COUNT', 100)
  for _, change in ipairs(changes) do
    local fields = {}
    for n = 1, #change[2], 2 do fields[change[2][n]] = change[2][n + 1] end
    if fields.key == key then
      if count == limit or bytes > max_bytes then return answer end
      local base, revision = count * 7, string.match(change[1], '^%d+')
      local text = redis.call('HGET', texts, revision)
      answer[base + 1] = revision
      answer[base + 2] = fields.previous
      answer[base + 3] = fields.key
      answer[base + 4] = fields.event
      answer[base + 5] = fields.action
      answer[base + 6] = fields.ts
      answer[base + 7] = text
      count = count + 1
      bytes = bytes + #(text or '')
    end
    from = '(' .. change[1]
  end
until #changes == 0
return answer
