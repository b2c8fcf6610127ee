-- Mark a notification as begun, if this attempt is the latest and it is still wanted.
-- prefix, entry, attempt, incident id
local prefix, entry, attempt, id = unpack(ARGV, 1, 4)
local held = redis.call('HGET', prefix .. 'oa', entry)
if not held or string.match(held, '^%d+') ~= attempt then return false end
if string.sub(held, -1) == 'w' then return false end
local state = redis.call('HGET', prefix .. 'i:' .. id, 's')
if not state then return false end
redis.call('HSET', prefix .. 'oa', entry, attempt .. ':b')
return {now(), state}
