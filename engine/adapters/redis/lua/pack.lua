-- Put an incident's history in place packed, unless it has moved since it was read.
-- prefix, id, how many entries it had, how many of them were packed, all of them packed
-- ('' if that cannot be: then it stays as it is)
local prefix, id, packed = ARGV[1], ARGV[2], ARGV[5]
local count, before = whole(ARGV[3]), whole(ARGV[4])
local incident = prefix .. 'i:' .. id
local fields = redis.call('HMGET', incident, 'n', 'zn', 'zo')
local is_there = fields[1]
if is_there and tonumber(fields[1]) ~= count then return 0 end

-- The list that is packed already, if this was cut off before it was gone.
local function forget_old(old)
  redis.call('DEL', history_of(prefix, id, old ~= '' and old))
end
if fields[2] then forget_old(fields[3]) end
if is_there and packed ~= '' and before < count and tonumber(fields[2] or 0) == before then
  -- The entries, their number and the list they were in, in one write.
  redis.call('HSET', incident, 'z', packed, 'zn', count,
    unpack(fields[2] and {'zo', fields[2]} or {}))
  forget_old(fields[2] or '')
end
redis.call('ZREM', prefix .. 'pack', id)
return is_there and 1 or 0
