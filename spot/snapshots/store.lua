-- Store a snapshot under the next version, in one step: versions grow in the order in which they are stored.
-- KEYS: snapshot, counter, epoch, trouble, seen-live. ARGV: now (ms), meta, cells, the version that must still be the
-- newest ('': any), a random name, the seconds for which a poll's snapshot is kept ('': an amendment, which changes
-- neither that nor the trouble nor the charts), '1' when it shows that the store has seen real data; of a poll also the
-- version of the charts and the charts.
-- Returns the version, the meta before, and 1 when these are the first real data; version 0 when another snapshot has
-- been stored meanwhile, and then nothing is.
local before = redis.call('hmget', KEYS[1], 'version', 'meta')
if ARGV[4] ~= '' and before[1] ~= ARGV[4] then return {0, before[2], 0} end
-- The time, or one more than the last: whatever copy a store is restored from, no number is given out again.
local version = math.max(redis.call('incr', KEYS[2]), tonumber(ARGV[1]))
local text = string.format('%.0f', version)
redis.call('set', KEYS[2], text)
redis.call('set', KEYS[3], ARGV[5], 'NX')
local life = redis.call('get', KEYS[3])
redis.call('hset', KEYS[1], 'epoch', life, 'version', text, 'meta', ARGV[2], 'cells', ARGV[3])
if ARGV[6] ~= '' then
  redis.call('hset', KEYS[1], 'charted', ARGV[8], 'charts', ARGV[9])
  redis.call('expire', KEYS[1], ARGV[6])
  redis.call('del', KEYS[4])
end
return {version, before[2], ARGV[7] == '1' and redis.call('setnx', KEYS[5], 1) or 0}
