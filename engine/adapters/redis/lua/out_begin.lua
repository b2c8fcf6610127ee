-- Mark a notification as begun, if this attempt is the latest and it is still wanted.
-- prefix, entry, attempt, incident id
local prefix, entry, attempt, id = unpack(ARGV, 1, 4)
local latest, _, mark, tray = attempt_of(prefix, entry)
if latest ~= attempt or mark ~= '' then return false end
local state = redis.call('HGET', prefix .. 'i:' .. id, 's')
if not state then return false end
set_attempt(prefix, entry, attempt, attempt, '', tray)
return {now(), state}
