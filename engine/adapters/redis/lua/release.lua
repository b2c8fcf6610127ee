-- End a claim without a change, or put the incident aside.
-- prefix, id, pause ms: 0 none, -1 twice as long each time, pause at most (ms)
local prefix, id = unpack(ARGV, 1, 2)
local pause, pause_max = whole(ARGV[3]), whole(ARGV[4])
local incident = prefix .. 'i:' .. id
local fields = redis.call('HMGET', incident, 'd', 'q', 'p', 'v')
local due, has_mail = fields[1], tonumber(fields[2] or 0) > tonumber(fields[3] or 0)
local at = now()

if pause ~= 0 and (fields[4] or fields[2]) then
  if pause < 0 then
    local failures = redis.call('HINCRBY', incident, 'f', 1)
    pause = math.min(pause_max, 1000 * 2 ^ math.min(failures, 16))
  end
  redis.call('ZADD', prefix .. 'due', 'XX', at + pause, id)
  -- Also without mail: what comes in meanwhile waits with the rest.
  redis.call('ZADD', prefix .. 'mail', at + pause, id)
  arm(at + pause, at)
  return pause
end
if due and due ~= '' then
  redis.call('ZADD', prefix .. 'due', due, id)
  arm(tonumber(due), at)
else
  redis.call('ZREM', prefix .. 'due', id)
end
if has_mail then
  redis.call('ZADD', prefix .. 'mail', at, id)
  kick()
else
  redis.call('ZREM', prefix .. 'mail', id)
end
return 0
