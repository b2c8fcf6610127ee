-- End a claim without a change, or put the incident aside.
-- prefix, id, pause: '' none, 'grow' twice as long each time, else milliseconds,
-- pause at most (ms)
local prefix, id, pause, pause_max = unpack(ARGV, 1, 4)
local incident = prefix .. 'i:' .. id
local at = now()
if pause ~= '' then
  local milliseconds
  if pause == 'grow' then
    local failures = redis.call('HINCRBY', incident, 'f', 1)
    milliseconds = math.min(tonumber(pause_max), 1000 * 2 ^ math.min(failures, 16))
  else
    milliseconds = tonumber(pause)
  end
  redis.call('ZADD', prefix .. 'due', 'XX', at + milliseconds, id)
  redis.call('ZADD', prefix .. 'mail', 'XX', at + milliseconds, id)
  arm(at + milliseconds, at)
  return milliseconds
end
local due = redis.call('HGET', incident, 'd')
if due and due ~= '' then
  redis.call('ZADD', prefix .. 'due', due, id)
  arm(tonumber(due), at)
else
  redis.call('ZREM', prefix .. 'due', id)
end
if redis.call('EXISTS', prefix .. 'm:' .. id) == 1 then
  redis.call('ZADD', prefix .. 'mail', at, id)
  kick()
else
  redis.call('ZREM', prefix .. 'mail', id)
end
return 0
