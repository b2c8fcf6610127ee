-- Note what became of a notification, or keep it for another try.
-- prefix, entry, attempt, whether only the latest attempt may say this (1 or 0), retry
-- at (ms; 0 never), incident id, report
local prefix, entry, attempt, only_if_latest = unpack(ARGV, 1, 4)
local retry_at, id, report = whole(ARGV[5]), ARGV[6], ARGV[7]
local latest, _, mark, tray = attempt_of(prefix, entry)
if not latest then return 0 end
if only_if_latest == '1' and latest ~= attempt then return 0 end
local at = now()
if retry_at > 0 and mark ~= 'w' then
  announce(prefix, tray, retry_at)
  set_attempt(prefix, entry, attempt, 0, 'r', tray)
  redis.call('ZADD', prefix .. 'out:' .. tray, 'XX', retry_at, entry)
  arm(retry_at, at)
  return 1
end
if redis.call('HEXISTS', prefix .. 'i:' .. id, 'v') == 1 then post(prefix, id, report, at) end
drop_entry(prefix, entry, tray)
return 1
