#!lua flags=allow-oom
-- Batch: change the record of a batch that has not ended.
--
-- KEYS[1]  the record
-- ARGV[1]  claim: it becomes this owner's, if it is nobody's else at present;
--          note: only if it still is; ask: whoever's it is
-- ARGV[2]  owner
-- ARGV[3]  lease in ms from now on; 0 gives it back
-- ARGV[4]  how long the record is kept in ms, if it ends so
-- ARGV[5…] fields and values
--
-- Returns 0 if there is none, it has ended, or is somebody else's; 2 if it is to
-- be canceled, else 1.
local t = redis.call("TIME")
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function ended(state) return state == "completed" or state == "failed" or state == "cancelled" end

local v = redis.call("HMGET", KEYS[1], "state", "owner", "until")
if not v[1] or ended(v[1]) then return 0 end
local how, mine, free = ARGV[1], v[2] == ARGV[2], tonumber(v[3] or 0) <= now
if how == "claim" and not (mine or free) or how == "note" and not mine then return 0 end
if how ~= "ask" then
	redis.call("HSET", KEYS[1], "owner", ARGV[2], "until", string.format("%d", now + ARGV[3]))
end
for i = 5, #ARGV, 2 do
	redis.call("HSET", KEYS[1], ARGV[i], ARGV[i + 1])
	if ARGV[i] == "state" and ARGV[i + 1] == "in_progress" then
		redis.call("HSETNX", KEYS[1], "started", string.format("%d", now))
	end
	if ARGV[i] == "state" and ended(ARGV[i + 1]) then
		redis.call("HSET", KEYS[1], "finished", string.format("%d", now), "expires", string.format("%d", now + ARGV[4]))
	end
end
return redis.call("HGET", KEYS[1], "cancel") == "1" and 2 or 1
