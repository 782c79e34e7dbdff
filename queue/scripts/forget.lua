#!lua flags=allow-oom
-- Forget: drop the records of jobs that have ended, before their time.
--
-- ARGV  ids of jobs; those that have not ended stay
--
-- Returns how many were dropped.
local n = 0
for _, id in ipairs(ARGV) do
	local v = call("HMGET", JOB .. id, "state", "size")
	if terminal(v[1]) then
		local size = tonumber(v[2] or 0)
		call("DEL", JOB .. id)
		call("ZREM", JOBS, id)
		if call("ZREM", KEPT, int(size) .. ":" .. id) == 1 and call("HINCRBY", METER, "kept", 0 - size) < 0 then
			call("HSET", METER, "kept", 0)
		end
		n = n + 1
	end
end
return n
