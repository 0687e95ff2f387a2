-- May this be asked now? The rest of the account, its month and its moving minute, checked and taken in one step for every
-- worker at once.
-- A time that is further ahead than it was ever set is of a clock that has been set back since, and counts for nothing.
-- KEYS: rest, probe, month, since, lowered, the minute's calls, those of them on demand. Times in ms, costs in thousandths
-- of a credit; a limit of 0 is none. Returns {reason, ms to wait} when it may not, else {'', 0}.
local now, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local limit, kept, burst = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local month_start, month_end, probe_time = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local longest_rest, day = tonumber(ARGV[9]), 86400000
local calls, per_minute, urgent, behind = tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12] == '1', tonumber(ARGV[13])
local window, least_behind, slack = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
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

-- The minute: a list of the times of calls in seconds, newest first. Returns the ms until so many more fit into it.
local function full(key, allowed)
  if calls > allowed then return window end
  local newest = redis.call('lindex', key, 0)
  if newest and tonumber(newest) * 1000 > now + slack then redis.call('del', key) end
  local first = now / 1000 - window / 1000
  local entry = redis.call('lindex', key, allowed - calls)
  if not entry or tonumber(entry) < first then return 0 end
  local oldest = tonumber(entry)
  for _, at in ipairs(redis.call('lrange', key, allowed - calls, allowed - 1)) do
    if tonumber(at) < first then break end
    oldest = tonumber(at)
  end
  return math.max(1, math.floor(oldest * 1000 + 0.5) + window + 1 - now)
end
local function take(key, allowed)
  for _ = 1, calls do redis.call('lpush', key, ARGV[17]) end
  redis.call('ltrim', key, 0, allowed - 1)
  redis.call('pexpire', key, window)
end
local limit_until, lowered = string.match(redis.call('get', KEYS[5]) or '', '^(%d+) (%d+)$')
lowered = limit_until and lies_ahead(tonumber(limit_until), day) and tonumber(lowered) or 0
if lowered > 0 and (per_minute == 0 or lowered < per_minute) then per_minute = lowered end
local most = per_minute > 0 and per_minute or 100000 -- the highest limit that can be entered; more are not counted
-- Calls on demand get a part of the minute only, and leave some of that to those that they are behind.
local share = per_minute - (per_minute >= 4 and math.max(2, math.floor(per_minute / 2)) or 0)
local on_demand = not urgent and per_minute > 0
if on_demand then
  local wait = full(KEYS[7], math.max(share - behind, math.min(share, least_behind)))
  if wait > 0 then return {'minute', wait} end
end
local wait = full(KEYS[6], most)
if wait > 0 then return {'minute', wait} end
take(KEYS[6], most)
if on_demand then take(KEYS[7], share) end

redis.call('incrby', KEYS[3], cost)
redis.call('pexpire', KEYS[3], math.ceil(month_end - now) + day)
if rest then redis.call('set', KEYS[2], now + probe_time, 'PX', probe_time) end
return {'', 0}
