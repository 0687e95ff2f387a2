-- May these calls be made now? Checked and taken in one step, for every worker of every machine at once.
-- KEYS: rest, probe, minute, minute of on-demand calls, month, since. All times in ms; a limit of 0 is none.
-- Returns {} when they may, else {reason, ms to wait}.
local now, cost, nonce, urgent = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4] == '1'
local minute_limit, minute_kept, window = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local month_limit, month_kept, burst = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local month_start, month_end, probe_time = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])

-- A rest that is over leaves its key behind until a call has succeeded: meanwhile one caller at a time may try.
local rest = redis.call('get', KEYS[1])
if rest then
  local till, reason = string.match(rest, '^(%d+) ([%a_]+)')
  if tonumber(till) > now then return {reason, math.ceil(tonumber(till) - now)} end
  local probing = tonumber(redis.call('get', KEYS[2]) or '0')
  if probing > now then return {'probe', math.ceil(probing - now)} end
end

-- The moving minute. On-demand calls leave some of it to the polls.
local function wait_for_room(key, limit)
  redis.call('zremrangebyscore', key, '-inf', now - window)
  local over = redis.call('zcard', key) + cost - limit
  if over <= 0 then return nil end
  local entry = redis.call('zrange', key, over - 1, over - 1, 'WITHSCORES')
  return entry[2] and math.max(1, math.ceil(tonumber(entry[2]) + window - now)) or window
end
if minute_limit > 0 then
  local wait = wait_for_room(KEYS[3], minute_limit)
  if not wait and not urgent then wait = wait_for_room(KEYS[4], minute_limit - minute_kept) end
  if wait then return {'minute', wait} end
end

-- The month accrues along a line that begins with it, or with the first call that was ever counted if that is later:
-- what went before a lost counter is unknown, so nothing is made up for.
redis.call('set', KEYS[6], now, 'NX')
if month_limit > 0 then
  local start = math.max(month_start, tonumber(redis.call('get', KEYS[6])))
  local wanted = tonumber(redis.call('get', KEYS[5]) or '0') + cost + (urgent and 0 or month_kept)
  local per_ms = month_limit / (month_end - month_start)
  if wanted > math.min(month_limit, per_ms * (now - start) + burst) then
    local due = wanted > month_limit and month_end or math.min(month_end, start + (wanted - burst) / per_ms)
    return {'month', math.max(1, math.ceil(due - now))}
  end
end

redis.call('incrby', KEYS[5], cost)
redis.call('pexpire', KEYS[5], math.ceil(month_end - now) + 86400000)
for i = 1, cost do
  redis.call('zadd', KEYS[3], now, nonce .. i)
  if not urgent then redis.call('zadd', KEYS[4], now, nonce .. i) end
end
redis.call('pexpire', KEYS[3], window)
if not urgent then redis.call('pexpire', KEYS[4], window) end
if rest then redis.call('set', KEYS[2], now + probe_time, 'PX', probe_time) end
return {}
