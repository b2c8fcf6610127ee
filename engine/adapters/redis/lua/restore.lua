-- Write back a snapshot that is missing, if the incident still needs it.
-- prefix, id, hash, body
local prefix, id, snapshot, body = unpack(ARGV, 1, 4)
local named = redis.call('HGET', prefix .. 'i:' .. id, 'sn') or ''
if not string.find(' ' .. named .. ' ', ' ' .. snapshot .. ' ', 1, true) then return 0 end
redis.call('HSETNX', prefix .. 'snap', snapshot, body)
return 1
