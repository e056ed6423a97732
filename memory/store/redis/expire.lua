-- Turns expired values into changes. Runs after namespace.lua.
--
-- KEYS  8  entry of the namespace; with a key appended, the name of that key's entry
-- ARGV  3  maximum number of keys to expire in this step
--
-- Returns the milliseconds until the next value expires, '' if none does.

run_when_full()
settle_all(KEYS[8], ARGV[3])
trim_log()
return next_expiry()
