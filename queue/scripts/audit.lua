#!lua flags=allow-oom
-- Audit: find jobs that no stream holds, and calls that wait for a job that is
-- not there any more. A foreign hand, or lost data, makes such. It looks at some
-- of them and goes on from there the next time.
--
-- ARGV[1]  retention of an ended job in ms
-- ARGV[2]  the result of a job that is lost
--
-- Returns how many were found.
local retention = tonumber(ARGV[1])
local now, found = clock(), 0
local JOBS_AT_ONCE, BYTES = 20, 262144

-- Jobs, by age.
local at = tonumber(call("HGET", METER, "audit") or 0)
local ids = call("ZRANGE", JOBS, at, at + JOBS_AT_ONCE - 1)
local seen, gone = 0, 0
for _, id in ipairs(ids) do
	local v = call("HMGET", JOB .. id, "state", "lane", "entry", "run_at")
	at = at + 1
	if not v[1] then
		call("ZREM", JOBS, id)
		call("UNLINK", BODY .. id, BODY .. "result~" .. id)
		gone = gone + 1
	elseif not terminal(v[1]) and v[3] == "" then
		-- It is to be queued later. If whoever had the errand lost it, here it is.
		if tonumber(v[4] or 0) < now + 30000000 and not call("ZSCORE", LATER, id) then call("ZADD", LATER, v[4] or int(now), id) end
	elseif not terminal(v[1]) then
		local member = v[2] .. ":" .. v[3]
		local fs = fetch(tonumber(v[2]), v[3])
		if not fs then
			call("ZREM", DUE, member)
			call("ZREM", RUNNING, member)
			if finish(id, v[2], v[3], "failed", now, retention, nil, ARGV[2]) then found = found + 1 end
		else
			seen = seen + #(fs[2] or "")
			if seen > BYTES then break end
		end
	end
end
local done = at >= call("ZCARD", JOBS) + gone
call("HSET", METER, "audit", int(done and 0 or at - gone))

-- Calls, by deadline: those whose job has ended or is not there end at their
-- deadline at the latest; what waits behind nobody need not wait so long.
local due = call("ZRANGE", DUE, 0, JOBS_AT_ONCE - 1)
local bytes = 0
for _, member in ipairs(due) do
	local lane, id = tonumber(string.sub(member, 1, 1)), string.sub(member, 3)
	local fs = fetch(lane, id)
	local r, b, t, _, _, c, j = plain(fs or {})
	local who = r and owner(lane, id)
	if not fs then
		call("ZREM", DUE, member)
	elseif r and j ~= "" and (not who or who == RELEASED) then
		local state = state_of(j, lane, id)
		if not state or terminal(state) then
			withdraw(lane, id, who, r, b, c, fs[6])
			refresh(lane, tonumber(t))
			found = found + 1
		end
	end
	bytes = bytes + (b or 0)
	if bytes > BYTES then break end
end
return found
