-- Read one incident with all its unread mail.
-- prefix, id
local prefix, id = unpack(ARGV, 1, 2)
local fields = redis.call('HMGET', prefix .. 'i:' .. id, 'v', 's', 'd', 'n', 'f', 'p', 'af')
local mail = unread(prefix .. 'm:' .. id, tonumber(fields[6] or 0), 0)
return {now(), {id, fields, mail}}
