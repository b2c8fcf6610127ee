-- Note what became of a notification, or keep it for another try.
-- prefix, entry, channel, attempt, failed (1 or 0), retry at (ms) or '',
-- incident id, report
local prefix, entry, channel, attempt, failed, retry_at, id, report = unpack(ARGV, 1, 8)
local held = redis.call('HGET', prefix .. 'oa', entry)
if not held then return 0 end
local is_latest = string.match(held, '^%d+') == attempt
if failed == '1' and not is_latest then return 0 end
local timer = prefix .. 'out:' .. channel .. ':timer'
local opening = prefix .. 'out:' .. channel .. ':opening'
local at = now()
if retry_at ~= '' and string.sub(held, -1) ~= 'w' then
  redis.call('HSET', prefix .. 'oa', entry, attempt .. ':')
  redis.call('ZADD', timer, 'XX', retry_at, entry)
  redis.call('ZADD', opening, 'XX', retry_at, entry)
  arm(tonumber(retry_at), at)
  return 1
end
if redis.call('HEXISTS', prefix .. 'i:' .. id, 'v') == 1 then post(prefix, id, report, at) end
redis.call('ZREM', timer, entry)
redis.call('ZREM', opening, entry)
redis.call('HDEL', prefix .. 'ob', entry)
redis.call('HDEL', prefix .. 'oa', entry)
return 1
