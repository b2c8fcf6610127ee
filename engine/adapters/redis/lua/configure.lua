-- Store changed objects of the directory, if nobody changed it since. The version is
-- written last: until then nobody looks at what is new, and running it again is right.
-- key, version that was read ('' for an empty store), version to write,
-- then for each object: kind, id, body ('' to remove it)
local key, read, version = ARGV[1], ARGV[2], whole(ARGV[3])
if (#ARGV - 3) % 3 ~= 0 then error('not three arguments for each object') end
if (redis.call('HGET', key, 'version') or '') ~= read then return 0 end
for item = 4, #ARGV, 3 do
  local objects = key .. ':' .. ARGV[item]
  if ARGV[item + 2] == '' then
    redis.call('HDEL', objects, ARGV[item + 1])
  else
    redis.call('HSET', objects, ARGV[item + 1], ARGV[item + 2])
  end
end
redis.call('HSET', key, 'version', version)
return 1
