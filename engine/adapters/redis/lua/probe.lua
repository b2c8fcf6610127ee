-- Write something that goes by itself: who cannot do this cannot store an alert.
-- key, seconds
redis.call('SET', ARGV[1], '1', 'EX', whole(ARGV[2]))
return now()
