-- Store a first directory, only into an empty store.
-- key, version, body
whole(ARGV[2])
if redis.call('EXISTS', ARGV[1]) == 1 then return 0 end
redis.call('HSET', ARGV[1], 'version', ARGV[2], 'body', ARGV[3])
return 1
