-- Writes a checkpoint when the hash is still at the offset it continues from.
-- KEYS[1] the partition's hash; ARGV[1] the expected _next, '' for no hash; then field, value, field, value, …
-- Returns the _next that is stored afterwards, so a repeated call answers as the first one did.
-- There is one write only: the append-only file then holds it whole or not at all.
local stored = redis.call('HGET', KEYS[1], '_next') or ''
if stored == ARGV[1] then
  redis.call('HSET', KEYS[1], unpack(ARGV, 2))
end
return redis.call('HGET', KEYS[1], '_next')
