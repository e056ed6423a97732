-- Finds out whether Redis takes writes, whether it may evict keys, and which version its data has. Changes nothing.
--
-- KEYS  1  a key that does not exist
--       2  the version of the data
--
-- Returns {<the error of a write, '' for none>, <maxmemory-policy, '' if Redis does not say>, <version, '' for the first>}.

-- Needs memory, as far as Redis knows, and changes nothing.
local written = redis.pcall('SETRANGE', KEYS[1], 0, '')
local info = redis.pcall('INFO', 'memory')
return {
  type(written) == 'table' and written.err or '',
  type(info) == 'string' and string.match(info, 'maxmemory_policy:(%S+)') or '',
  redis.call('GET', KEYS[2]) or '',
}
