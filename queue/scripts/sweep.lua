#!lua flags=allow-oom
-- Sweep: end what is past its deadline, and take calls back from workers that
-- gave no sign of life for a lease.
--
-- ARGV[1]  retention of an ended job in ms
-- ARGV[2]  lease in ms, or 0 to take nothing back
-- ARGV[3]  how many leases a call may lose before it is given up
-- ARGV[4]  the result of a job that is
--
-- Returns how many expired, how many were taken back, how many entries had lost
-- their payload, and then the envelopes of those given up.
local retention, lease, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock()
local expired, back, missing, out = 0, 0, 0, { 0, 0, 0 }

for _, member in ipairs(call("ZRANGEBYSCORE", DUE, "-inf", int(now), "LIMIT", 0, 100)) do
	local lane, id = tonumber(string.sub(member, 1, 1)), string.sub(member, 3)
	local v = fields(lane, id)
	local who = v and owner(lane, id)
	if v and v.j ~= "" and finish(v.j, "expired", now, retention) then expired = expired + 1 end
	if v and (not who or who == RELEASED) then
		if v.j == "" then expired = expired + 1 end
		waits(lane, -1, -v.r, who and -1 or 0)
		drop(lane, id, v.b)
	end
	call("ZREM", DUE, member)
end
if expired > 0 then call("HINCRBY", METER, "n_expired", expired) end

-- A call that lost its worker is given back with a mark, so that it runs alone.
local function take_back(lane, id)
	local e = call("XRANGE", KEYS[lane], id, id)[1]
	if not e then
		call("XACK", KEYS[lane], GROUP, id)
		missing = missing + 1
		return
	end
	local v = values(e[2])
	if call("HINCRBY", CRASHES, id, 1) < most then
		release(lane, id, v)
		back = back + 1
		return
	end
	bury(lane, id, e[2], "lost with " .. most .. " workers")
	if v.j ~= "" then finish(v.j, "failed", now, retention, "result", ARGV[4]) end
	out[#out + 1] = v.e
end

for lane = 1, 3 do
	local summary = redis.pcall("XPENDING", KEYS[lane], GROUP)
	if not summary.err then
		if lease > 0 and summary[1] > 0 then
			for _, p in ipairs(call("XPENDING", KEYS[lane], GROUP, "IDLE", lease, "-", "+", 100)) do
				if p[2] ~= RELEASED and p[3] >= lease then take_back(lane, p[1]) end
			end
		end
		-- Entries that nobody counted: a foreign hand, or a counter that drifted.
		local waiting = tonumber(call("HGET", METER, "c" .. lane) or 0)
		local undelivered = call("XLEN", KEYS[lane]) - summary[1]
		if waiting <= 0 and undelivered > 0 then
			call("HSET", METER, "c" .. lane, undelivered, "r" .. lane, undelivered, "o" .. lane, int(now))
			ring()
		end
	end
end
if back > 0 then ring() end
out[1], out[2], out[3] = expired, back, missing
return out
