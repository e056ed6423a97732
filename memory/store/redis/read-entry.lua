-- Reads the value of a key. It is a script so that the primary replies, whose clock decides when a value has expired.
--
-- KEYS  1  counter
--       2  entry of the key
--
-- Returns {<revision of the namespace's last change>, <JSON text>, <µs since the epoch>, <revision>, <created>, <expires>,
-- <agent>}, with nil for what there is not.
-- The text is nil if there is no value.

local row = redis.call('HMGET', KEYS[2], 'value', 'ts', 'value_revision', 'created', 'expires', 'agent')
if row[5] then
  local time = redis.call('TIME')
  if tonumber(row[5]) <= time[1] * 1e6 + time[2] then row = {false} end
end
return {redis.call('GET', KEYS[1]) or '0', unpack(row)}
