#!lua flags=allow-oom
-- Forget: drop the records of jobs that have ended, before their time.
--
-- ARGV  ids of jobs; those that have not ended stay
--
-- Returns how many were dropped.
local now, bytes = clock(), 0
local records, jobs, kept, seen = { "DEL" }, { "ZREM", JOBS }, { "ZREM", KEPT }, {}
for _, id in ipairs(ARGV) do
	local v = call("HMGET", JOB .. id, "state", "size", "expires")
	if terminal(v[1]) and not seen[id] then
		seen[id] = true
		records[#records + 1], jobs[#jobs + 1] = JOB .. id, id
		call("UNLINK", BODY .. id, BODY .. "result~" .. id)
		-- The sweep may have counted what has expired, and nothing else.
		local size, member = tonumber(v[2] or 0), int(v[2] or 0) .. ":" .. id
		if tonumber(v[3] or 0) > now then
			kept[#kept + 1], bytes = member, bytes + size
		elseif call("ZREM", KEPT, member) == 1 then
			bytes = bytes + size
		end
	end
end
if #records == 1 then return 0 end
call(unpack(records))
call(unpack(jobs))
if #kept > 2 then call(unpack(kept)) end
if call("HINCRBY", METER, "kept", 0 - bytes) < 0 then call("HSET", METER, "kept", 0) end
return #records - 1
