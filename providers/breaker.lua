-- A provider's circuit breaker: one hash per provider, changed atomically for all workers.
-- KEYS: the hash. ARGV: the operation, now (ms), then its arguments. Times and pauses are in ms.
-- Fields: open ("1" while open), until, pause, failures, goods, failed_at, opened_at, closed_at, lease, reason.
local key, operation, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
local function number(name) return tonumber(redis.call('hget', key, name) or '0') end
local is_open = redis.call('hget', key, 'open') == '1'
local function store(...)
  redis.call('hset', key, ...)
  redis.call('pexpire', key, 86400000)
end

-- Whether the provider may be called: {'closed'}, {'trial'} (the caller has the trial), or {'open', ms until the next}.
if operation == 'ask' then
  local alone, lease_time, lonely, longest = ARGV[3] == '1', tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  if not is_open then return {'closed'} end
  -- A time further in the future than the longest pause dates from before the clock was set back.
  local function valid(at, most) return at > now + most and now or at end
  local due = valid(number('until'), longest)
  -- While no other provider can serve, trials are sooner, and follow a success at once.
  if alone then due = number('goods') > 0 and now or math.min(due, number('failed_at') + lonely) end
  due = math.max(due, valid(number('lease'), lease_time))
  if now < due then return {'open', due - now} end
  store('lease', now + lease_time)
  return {'trial'}
end

-- The end of a trial without a result.
if operation == 'release' then
  if is_open and number('lease') > 0 then store('lease', 0, 'until', math.max(number('until'), now + tonumber(ARGV[3]))) end
  return {}
end

-- A success. Returns {1} when the breaker is closed now, {0} while it is on trial.
if operation == 'succeeded' then
  local enough, gap = tonumber(ARGV[3]), tonumber(ARGV[4])
  if not is_open then
    if number('failures') > 0 then store('failures', 0) end
    return {1}
  end
  if number('lease') == 0 then return {0} end -- a call from before the breaker opened
  local goods = number('goods') + 1
  if goods < enough then
    store('goods', goods, 'lease', 0, 'until', now + gap)
    return {0}
  end
  store('open', 0, 'goods', 0, 'lease', 0, 'failures', 0, 'closed_at', now)
  return {1}
end

-- A failure. Returns {1} when it opened the breaker, also from a trial.
local reason, patience, first, longest = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local relapse_time, shorter = tonumber(ARGV[7]), tonumber(ARGV[8])
local failures, pause = number('failures') + 1, number('pause')
local relapse = not is_open and number('closed_at') > 0 and now - number('closed_at') < relapse_time
store('failures', failures, 'goods', 0, 'failed_at', now, 'reason', reason)
if is_open and number('lease') == 0 then return {0} end -- a call from before the breaker opened
if not is_open and failures < patience and not relapse then return {0} end
pause = (is_open or relapse) and math.min(longest, pause * 2) or first
if not is_open then store('opened_at', now) end
store('open', 1, 'lease', 0, 'pause', pause, 'until', now + math.floor(pause * shorter))
return {1}
