-- Deletes fields of folded panes; refused while the hash is not known to have folded them.
-- KEYS[1] the partition's hash; ARGV[1] the fold the caller saw stored; then field, field, …
-- Without the comparison a late call from before a rollback would delete panes that are open again.
local folded_until = tonumber(redis.call('HGET', KEYS[1], '_folded_until') or '')
if folded_until and folded_until >= tonumber(ARGV[1]) then
  redis.call('HDEL', KEYS[1], unpack(ARGV, 2))
end
