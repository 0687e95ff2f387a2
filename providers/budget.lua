-- May this be asked now? The rest of the account and its month, checked and taken in one step for every worker at once.
-- A time that is further ahead than it was ever set is of a clock that has been set back since, and counts for nothing.
-- KEYS: rest, probe, month, since, lowered. Times in ms, costs in thousandths of a credit; a limit of 0 is none.
-- Returns {reason, ms to wait} when it may not; else {'', calls a minute that the provider was found to allow or 0,
-- whether this caller is the one who tries after a rest}.
local now, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local limit, kept, burst = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local month_start, month_end, probe_time = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local longest_rest, day = tonumber(ARGV[9]), 86400000
local function lies_ahead(at, most) return at > now and at <= now + most end

-- A rest that is over leaves its key behind until a call has succeeded: meanwhile one caller at a time may try.
local rest = redis.call('get', KEYS[1])
if rest then
  local till, reason = string.match(rest, '^(%d+) ([%a_]+)')
  if lies_ahead(tonumber(till), longest_rest) then return {reason, math.ceil(tonumber(till) - now)} end
  local probing = tonumber(redis.call('get', KEYS[2]) or '0')
  if lies_ahead(probing, probe_time) then return {'probe', math.ceil(probing - now)} end
end

-- The month accrues along a line that begins with it, or with the first call that was ever counted if that is later:
-- what went before a lost counter is unknown, so nothing is made up for.
redis.call('set', KEYS[4], now, 'NX')
if tonumber(redis.call('get', KEYS[4])) > now then redis.call('set', KEYS[4], now) end
if limit > 0 and cost > 0 then
  local start = math.max(month_start, tonumber(redis.call('get', KEYS[4])))
  local wanted = tonumber(redis.call('get', KEYS[3]) or '0') + cost + kept
  local per_ms = limit / (month_end - month_start)
  if wanted > math.min(limit, per_ms * (now - start) + burst) then
    local due = wanted > limit and month_end or math.min(month_end, start + (wanted - burst) / per_ms)
    return {'month', math.max(1, math.ceil(due - now))}
  end
end

redis.call('incrby', KEYS[3], cost)
redis.call('pexpire', KEYS[3], math.ceil(month_end - now) + day)
if rest then redis.call('set', KEYS[2], now + probe_time, 'PX', probe_time) end
local limit_until, lowered = string.match(redis.call('get', KEYS[5]) or '', '^(%d+) (%d+)$')
return {'', limit_until and lies_ahead(tonumber(limit_until), day) and tonumber(lowered) or 0, rest and 1 or 0}
