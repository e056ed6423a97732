-- The value of a key. A script, so that the primary answers, and by the clock that says when a value's time is over.
--
-- KEYS  1  entry of the key
--
-- Answers {<JSON text>, <µs since the epoch>, <revision>}, each nil for none.

local row = redis.call('HMGET', KEYS[1], 'value', 'ts', 'value_revision', 'expires')
if row[4] then
  local time = redis.call('TIME')
  if tonumber(row[4]) <= time[1] * 1e6 + time[2] then return {false, false, false} end
end
return {row[1], row[2], row[3]}
