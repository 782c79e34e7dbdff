-- Gives back tasks that asynq has lost: they are in its list of active ones, and
-- no lease is, so that nobody works on them and asynq never looks at them again.
-- One that has been seen so for an hour is queued again, or dropped if asynq lost
-- its record too.
--
-- KEYS   active, lease, pending, orphans (id -> when it was first seen, ms)
-- ARGV   what the keys of tasks begin with, how long they are left, ms
-- Returns how many were queued again, how many were dropped
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local again, dropped = 0, 0
local lost = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, 9999)) do
  if not redis.call('ZSCORE', KEYS[2], id) then lost[id] = true end
end
for id in pairs(lost) do
  redis.call('HSETNX', KEYS[4], id, now)
end
local seen = redis.call('HGETALL', KEYS[4])
for i = 1, #seen, 2 do
  local id = seen[i]
  if not lost[id] then
    redis.call('HDEL', KEYS[4], id)
  elseif now - tonumber(seen[i + 1]) >= tonumber(ARGV[2]) then
    redis.call('LREM', KEYS[1], 0, id)
    redis.call('HDEL', KEYS[4], id)
    if redis.call('EXISTS', ARGV[1] .. id) == 1 then
      redis.call('HSET', ARGV[1] .. id, 'state', 'pending')
      redis.call('LPUSH', KEYS[3], id)
      again = again + 1
    else
      dropped = dropped + 1
    end
  end
end
return {again, dropped}
