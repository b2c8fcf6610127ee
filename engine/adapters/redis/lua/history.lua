-- Read an incident's history: how many entries it has, how many of them are packed, the
-- packed ones, the others.
-- prefix, id
local prefix, id = ARGV[1], ARGV[2]
local fields = redis.call('HMGET', prefix .. 'i:' .. id, 'n', 'zn', 'z')
local unpacked = tonumber(fields[1] or 0) - tonumber(fields[2] or 0)
-- What a commit that was cut off has left behind them is not history.
local lines = {}
if unpacked > 0 then
  lines = redis.call('LRANGE', history_of(prefix, id, fields[2]), 0, unpacked - 1)
end
return {tonumber(fields[1] or 0), tonumber(fields[2] or 0), fields[3] or '', lines}
