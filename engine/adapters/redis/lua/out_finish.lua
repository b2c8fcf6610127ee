-- Note what became of a notification, or keep it for another try.
-- prefix, entry, channel, attempt, whether only the latest attempt may say this (1 or
-- 0), retry at (ms; 0 never),
-- incident id, report
local prefix, entry, channel, attempt, only_if_latest = unpack(ARGV, 1, 5)
local retry_at, id, report = whole(ARGV[6]), ARGV[7], ARGV[8]
local latest, _, is_withdrawn = attempt_of(prefix, entry)
if not latest then return 0 end
if only_if_latest == '1' and latest ~= attempt then return 0 end
local at = now()
if retry_at > 0 and not is_withdrawn then
  redis.call('HSET', prefix .. 'oa', entry, attempt .. ':0')
  for _, cause in ipairs({'timer', 'opening'}) do
    redis.call('ZADD', prefix .. 'out:' .. channel .. ':' .. cause, 'XX', retry_at, entry)
  end
  arm(retry_at, at)
  return 1
end
if redis.call('HEXISTS', prefix .. 'i:' .. id, 'v') == 1 then post(prefix, id, report, at) end
drop_entry(prefix, channel, entry)
return 1
