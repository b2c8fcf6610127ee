-- Stands before every script. Scripts decide nothing: they compare, write and count.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Something is due now: at most one token waits, and one worker takes it.
local function kick()
  if redis.call('EXISTS', KICK) == 0 then redis.call('LPUSH', KICK, '1') end
end

-- Have a worker woken shortly before this time. The bucket is never one whose job
-- may be running already: arq would swallow it. What is due sooner is a kick, and
-- what is due later than the horizon is armed by the sweep.
local function arm(due, at)
  if due > at + HORIZON then return end
  local bucket = math.floor(due / BUCKET)
  if bucket <= math.floor((at + AHEAD) / BUCKET) then kick() return end
  local id = ID_PREFIX .. bucket
  redis.call('SET', JOB_PREFIX .. id, PAYLOAD, 'NX', 'PX', KEPT)
  redis.call('ZADD', QUEUE, 'NX', bucket * BUCKET - (AHEAD - BUCKET), id)
end

-- Put one more item into a mailbox.
local function post(prefix, id, body, at)
  local number = redis.call('HINCRBY', prefix .. 'i:' .. id, 'q', 1)
  redis.call('RPUSH', prefix .. 'm:' .. id, number .. ' ' .. at .. ' ' .. body)
  redis.call('ZADD', prefix .. 'mail', 'NX', at, id)
  kick()
end
