-- Mark a notification as begun, if this attempt is the latest and it is still wanted.
-- prefix, entry, attempt, incident id
local prefix, entry, attempt, id = unpack(ARGV, 1, 4)
local latest, _, is_withdrawn = attempt_of(prefix, entry)
if latest ~= attempt or is_withdrawn then return false end
local state = redis.call('HGET', prefix .. 'i:' .. id, 's')
if not state then return false end
redis.call('HSET', prefix .. 'oa', entry, attempt .. ':' .. attempt)
return {now(), state}
