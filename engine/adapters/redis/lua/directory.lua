-- Read the directory as it is in one moment, unless its version is known.
-- key, version that is known or '', then the kinds of objects
local key = ARGV[1]
local version = redis.call('HGET', key, 'version')
if not version or version == ARGV[2] then return {version or ''} end
local found = {version}
for item = 3, #ARGV do
  found[#found + 1] = redis.call('HGETALL', key .. ':' .. ARGV[item])
end
return found
