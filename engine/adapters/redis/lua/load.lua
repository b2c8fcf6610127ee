-- Read one incident with all its unread mail.
-- prefix, id
local prefix, id = unpack(ARGV, 1, 2)
local fields = redis.call('HMGET', prefix .. 'i:' .. id, 'v', 's', 'd', 'n', 'f')
return {now(), {id, fields, redis.call('LRANGE', prefix .. 'm:' .. id, 0, -1)}}
