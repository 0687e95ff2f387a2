-- Take a call from a share that refills evenly: the store keeps the time until which all of it is used up.
-- KEYS: that time. ARGV: now, the time that the calls take of the share, the time that may be used in advance; all in ms.
-- Returns 0 when they were taken, else the ms to wait. A time further ahead is of another rate, or of a clock that has
-- been set back since.
local now, cost, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local used = math.max(now, math.min(tonumber(redis.call('get', KEYS[1]) or '0'), now + most))
if used + cost > now + most then return math.ceil(used + cost - now - most) end
redis.call('set', KEYS[1], string.format('%.3f', used + cost), 'PX', math.ceil(used + cost - now) + 1000)
return 0
