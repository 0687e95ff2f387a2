-- Store a snapshot under the next version, in one step: versions grow in the order in which they are stored.
-- KEYS: snapshot, counter. ARGV: now (ms), meta, columns, the version that must still be the newest ('': any).
-- Returns the version, or 0 when another has been stored meanwhile, and then nothing is.
if ARGV[4] ~= '' and redis.call('hget', KEYS[1], 'version') ~= ARGV[4] then return 0 end
-- The time, or one more than the last: whatever copy a store is restored from, no number is given out again.
local version = math.max(redis.call('incr', KEYS[2]), tonumber(ARGV[1]))
local text = string.format('%.0f', version)
redis.call('set', KEYS[2], text)
redis.call('hset', KEYS[1], 'version', text, 'meta', ARGV[2], 'columns', ARGV[3])
return version
