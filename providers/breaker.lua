-- A provider's breaker: one hash a provider, changed in one step for every worker of every machine at once.
-- KEYS: the hash. ARGV: what to do, now (ms), then what that needs. Times and pauses are in ms.
-- Fields: open ("1" while it is), until, pause, failures, goods, failed_at, opened_at, closed_at, lease, reason.
local key, what, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
local function number(name) return tonumber(redis.call('hget', key, name) or '0') end
local is_open = redis.call('hget', key, 'open') == '1'
local function keep(...)
  redis.call('hset', key, ...)
  redis.call('pexpire', key, 86400000)
end

-- May it be asked? {'closed'}, {'trial'} (and the trial is the caller's), or {'open', ms until it is worth asking}.
if what == 'ask' then
  local alone, lease_time, lonely, longest = ARGV[3] == '1', tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  if not is_open then return {'closed'} end
  -- What is further ahead than it was ever set is of a clock that has been set back since.
  local function believed(at, most) return at > now + most and now or at end
  local due = believed(number('until'), longest)
  -- Where nobody else can serve, it is tried sooner, and after one good answer at once.
  if alone then due = number('goods') > 0 and now or math.min(due, number('failed_at') + lonely) end
  due = math.max(due, believed(number('lease'), lease_time))
  if now < due then return {'open', due - now} end
  keep('lease', now + lease_time)
  return {'trial'}
end

-- A trial that ended without a verdict.
if what == 'release' then
  if is_open and number('lease') > 0 then keep('lease', 0, 'until', math.max(number('until'), now + tonumber(ARGV[3]))) end
  return {}
end

-- An answer. Returns {1} when it stands in front now, {0} while it is still on trial.
if what == 'succeeded' then
  local enough, gap = tonumber(ARGV[3]), tonumber(ARGV[4])
  if not is_open then
    if number('failures') > 0 then keep('failures', 0) end
    return {1}
  end
  if number('lease') == 0 then return {0} end -- asked before it was opened
  local goods = number('goods') + 1
  if goods < enough then
    keep('goods', goods, 'lease', 0, 'until', now + gap)
    return {0}
  end
  keep('open', 0, 'goods', 0, 'lease', 0, 'failures', 0, 'closed_at', now)
  return {1}
end

-- A failure. Returns {1} when this one opened it, or opened it again.
local reason, patience, first, longest = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local relapse_time, shorter = tonumber(ARGV[7]), tonumber(ARGV[8])
local failures, pause = number('failures') + 1, number('pause')
local relapse = not is_open and number('closed_at') > 0 and now - number('closed_at') < relapse_time
keep('failures', failures, 'goods', 0, 'failed_at', now, 'reason', reason)
if is_open and number('lease') == 0 then return {0} end -- asked before it was opened
if not is_open and failures < patience and not relapse then return {0} end
pause = (is_open or relapse) and math.min(longest, pause * 2) or first
if not is_open then keep('opened_at', now) end
keep('open', 1, 'lease', 0, 'pause', pause, 'until', now + math.floor(pause * shorter))
return {1}
