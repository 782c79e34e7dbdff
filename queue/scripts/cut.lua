#!lua flags=allow-oom
-- Cut a batch: a prefix of what waits, in order of arrival, counted in rows; or
-- answer why not.
--
-- ARGV[1]  consumer
-- ARGV[2]  take at most so many rows (a single call may have more)
-- ARGV[3]  if at least so many wait
-- ARGV[4]  or the oldest has waited so long, in µs
-- ARGV[5]  retention of an ended job in ms
--
-- Returns now in µs, calls, rows, age of the oldest and of the newest, µs to
-- the nearest deadline or -1, rows arrived so far: all as they were before;
-- then 1 if calls are left waiting behind the batch, then the batch: for each
-- call lane, entry, leases it lost, envelope, rows, group, bytes, accepted,
-- deadline, job id.
--
-- A call without a group is taken alone, and so is one that lost a lease: it
-- may be what took its worker down.
local consumer, most, enough, age = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local retention = tonumber(ARGV[5])
local now = clock()
local m = call("HMGET", METER, "c1", "c2", "c3", "r1", "r2", "r3", "o1", "o2", "o3", "s1", "s2", "s3", "newest", "arrived")
for i = 1, 14 do m[i] = tonumber(m[i] or 0) end
local c, r, o, s = { m[1], m[2], m[3] }, { m[4], m[5], m[6] }, { m[7], m[8], m[9] }, { m[10], m[11], m[12] }
local calls, rows, oldest = c[1] + c[2] + c[3], r[1] + r[2] + r[3], now
for lane = 1, 3 do
	if c[lane] > 0 and o[lane] < oldest then oldest = o[lane] end
end
local due = call("ZRANGE", DUE, 0, 0, "WITHSCORES")[2]
local out = { int(now), int(calls), int(rows), int(now - oldest), int(math.max(now - m[13], 0)),
	due and int(math.max(due - now, 0)) or "-1", int(m[14]), 0 }
if calls == 0 then
	call("HSET", METER, "want", 1, "until", 0)
	call("DEL", BELL)
	return out
end
if rows < enough and now - oldest < age then
	call("HSET", METER, "want", int(enough), "until", int(oldest + age))
	return out
end

local taken, alone, full = 0, false, false

-- Takes a call into the batch and returns true, or false if it does not fit.
-- What must not run, or cannot, is dropped and counts as taken.
local function take(lane, id, fs, released)
	local v = values(fs)
	local vr, vd = tonumber(v.r), tonumber(v.d)
	local state, gone = nil, nil
	if not (v.e and vr and v.g and tonumber(v.b) and tonumber(v.t) and vd and v.j) then
		bury(lane, id, fs, "fields are missing")
		gone, vr = true, vr or 1
	elseif vd <= now then
		drop(lane, id, v.b)
		gone = true
		call("HINCRBY", METER, "n_expired", 1)
		if v.j ~= "" then finish(v.j, "expired", now, retention) end
	elseif v.j ~= "" then
		state = call("HGET", JOB .. v.j, "state")
		if not state or terminal(state) then
			drop(lane, id, v.b)
			gone = true
		end
	end
	if not gone then
		local lost = released and tonumber(call("HGET", CRASHES, id) or 0) or 0
		local single = v.g == "" or lost > 0
		if alone or (taken > 0 and (single or taken + vr > most)) then return false end
		alone, taken = single, taken + vr
		if state then call("HSET", JOB .. v.j, "state", "running", "started", out[1]) end
		if released then call("XCLAIM", KEYS[lane], GROUP, consumer, 0, id, "JUSTID") end
		local at = #out
		out[at + 1], out[at + 2], out[at + 3], out[at + 4], out[at + 5] = lane, id, lost, v.e, vr
		out[at + 6], out[at + 7], out[at + 8], out[at + 9], out[at + 10] = v.g, v.b, v.t, v.d, v.j
	end
	c[lane], r[lane] = c[lane] - 1, r[lane] - vr
	if released then s[lane] = s[lane] - 1 end
	full = full or alone or taken >= most
	return true
end

-- Calls given back are older than any that were never delivered.
local function take_released(lane)
	local from = "-"
	while s[lane] > 0 and not full do
		local ps = call("XPENDING", KEYS[lane], GROUP, from, "+", 32, RELEASED)
		if #ps == 0 then
			s[lane] = 0
			return
		end
		for _, p in ipairs(ps) do
			from = "(" .. p[1]
			local e = call("XRANGE", KEYS[lane], p[1], p[1])[1]
			if not e then
				call("XACK", KEYS[lane], GROUP, p[1])
				s[lane] = s[lane] - 1
			elseif full or not take(lane, p[1], e[2], true) then
				full = true
				return
			end
		end
	end
end

local function read_new(lane, n)
	local args = { "XREADGROUP", "GROUP", GROUP, consumer, "COUNT", n, "STREAMS", KEYS[lane], ">" }
	local reply = redis.pcall(unpack(args))
	if reply and reply.err then
		call("XGROUP", "CREATE", KEYS[lane], GROUP, "0", "MKSTREAM")
		reply = call(unpack(args))
	end
	return reply and reply[1] and reply[1][2] or {}
end

-- The last entry that was read of each lane.
local last = {}

local function take_new(lane)
	local mean = math.max(r[lane] / math.max(c[lane], 1), 1)
	while not full do
		local n = math.max(1, math.min(math.floor((most - taken) / mean), 128))
		local entries = read_new(lane, n)
		for _, e in ipairs(entries) do
			last[lane] = e[1]
			if full or not take(lane, e[1], e[2], false) then
				full = true
				call("XCLAIM", KEYS[lane], GROUP, RELEASED, 0, e[1], "JUSTID")
				s[lane] = s[lane] + 1
			end
		end
		if #entries < n then
			-- Nothing undelivered is left, whatever was counted.
			if s[lane] == 0 then c[lane], r[lane] = 0, 0 end
			return
		end
	end
end

for lane = 1, 3 do
	if c[lane] > 0 and not full then
		if s[lane] > 0 then take_released(lane) end
		if not full then take_new(lane) end
	end
end

-- What is left, and since when. A lane of which nothing was taken keeps its
-- oldest.
local set = { "want", 1, "until", 0 }
for lane = 1, 3 do
	if m[lane] > 0 then
		local head
		if s[lane] > 0 then
			local p = call("XPENDING", KEYS[lane], GROUP, "-", "+", 1, RELEASED)[1]
			head = p and call("XRANGE", KEYS[lane], p[1], p[1])[1]
		elseif c[lane] > 0 and last[lane] then
			head = call("XRANGE", KEYS[lane], "(" .. last[lane], "+", "COUNT", 1)[1]
			if not head then c[lane], r[lane] = 0, 0 end
		end
		local t = head and values(head[2]).t or o[lane]
		for field, x in pairs({ c = c[lane], r = r[lane], s = s[lane], o = tonumber(t) or 0 }) do
			set[#set + 1] = field .. lane
			set[#set + 1] = int(math.max(x, 0))
		end
	end
end
call("HSET", METER, unpack(set))
if c[1] > 0 or c[2] > 0 or c[3] > 0 then
	out[8] = 1
	ring()
else
	call("DEL", BELL)
end
return out
