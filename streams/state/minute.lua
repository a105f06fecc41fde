-- Writes a folded minute while the hash is still at the offset it continues from.
-- KEYS[1] the partition's hash, KEYS[2] the minute; ARGV[1] the expected _next, '' for no hash; ARGV[2] content, ARGV[3] ms to live.
-- Without the comparison a worker that holds records which the log has lost since would replace the minute of those who have not.
local stored = redis.call('HGET', KEYS[1], '_next') or ''
if stored == ARGV[1] then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
