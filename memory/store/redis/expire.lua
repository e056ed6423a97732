-- Makes changes of the values whose time is over. After namespace.lua.
--
-- KEYS  8  entry of the namespace: with a key after it, the name of that key's entry
-- ARGV  3  how many keys may expire in this step
--
-- Answers the milliseconds until the next value expires, '' if there is none.

settle_all(KEYS[8], ARGV[3])
return next_expiry()
