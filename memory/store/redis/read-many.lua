-- Reads the values of several keys at one moment.
--
-- KEYS  1  counter
--       2… the entry of each key
-- ARGV  1  maximum bytes of the values together
--
-- Returns {<revision of the namespace's last change>, then for each key what read-entry.lua returns, always six parts}.
-- If the values are larger together than the maximum, returns {'too_large'}.

local max_bytes = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

local reply, bytes = {redis.call('GET', KEYS[1]) or '0'}, 0
for n = 2, #KEYS do
  local row = redis.call('HMGET', KEYS[n], 'value', 'ts', 'value_revision', 'created', 'expires', 'agent')
  if row[5] and tonumber(row[5]) <= now then row[1] = false end
  bytes = bytes + #(row[1] or '')
  if bytes > max_bytes then return {'too_large'} end
  for _, part in ipairs(row) do reply[#reply + 1] = part end
end
return reply
