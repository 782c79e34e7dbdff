#!lua flags=allow-oom
-- Cut a batch: a prefix of what waits, in order of arrival, counted in rows; or
-- answer why not.
--
-- ARGV[1]  consumer
-- ARGV[2]  take at most so many rows (a single call may have more)
-- ARGV[3]  if at least so many wait
-- ARGV[4]  or the oldest has waited so long, in µs
-- ARGV[5]  retention of an ended job in ms
-- ARGV[6]  take no further call once the batch has so many bytes
-- ARGV[7]  a lane has waited too long if its oldest has, for so many µs
-- ARGV[8]  how long the batch is expected to take in µs, 0 if that is not known
--
-- Returns now in µs, calls, rows, age of the oldest and of the newest, µs to
-- the nearest deadline or -1, rows arrived so far: all as they were before;
-- then 1 if calls are left waiting behind the batch, then the batch: for each
-- call lane, entry, 0, or 1 if it may be to blame for something, or 2 if it also had
-- begun then, its fields e and m, and the name of its body or "".
--
-- A call without a group is taken alone, and so is one whose worker was lost or
-- whose instance crashed: it may be to blame. Lanes go high, normal, low; but
-- every fourth batch begins with a lane that has waited too long. A call that has
-- less time left than the batch will take expires, if a full batch waits behind it:
-- under overload all that is served would be what nobody waits for any more.
local consumer, most, enough, age = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local retention, most_bytes, aging, need = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local now = clock()
local m = call("HMGET", METER, "c1", "c2", "c3", "r1", "r2", "r3", "o1", "o2", "o3", "s1", "s2", "s3", "newest", "arrived", "bytes",
	"gate", "all", "turn")
for i = 1, 18 do m[i] = tonumber(m[i] or 0) end
local c, r, o, s = { m[1], m[2], m[3] }, { m[4], m[5], m[6] }, { m[7], m[8], m[9] }, { m[10], m[11], m[12] }
local calls, rows, oldest = c[1] + c[2] + c[3], r[1] + r[2] + r[3], now
for lane = 1, 3 do
	if c[lane] > 0 and o[lane] < oldest then oldest = o[lane] end
end
local due = call("ZRANGE", DUE, 0, 0, "WITHSCORES")[2]
local out = { int(now), int(calls), int(rows), int(now - oldest), int(math.max(now - m[13], 0)),
	due and int(math.max(due - now, 0)) or "-1", int(m[14]), 0 }

-- Nothing goes out, for now: nobody is to be woken before the time, or at all.
local NEVER = 9007199254740991
local function hold_back(till)
	call("HSET", METER, "want", int(NEVER), "until", int(till))
	call("DEL", BELL)
	for i = 2, 5 do out[i] = 0 end
	out[6], out[8] = "-1", 0
	return out
end

if calls == 0 then
	call("HSET", METER, "want", 1, "until", 0)
	call("DEL", BELL)
	return out
end
if m[16] == 1 then return hold_back(NEVER) end
if now < m[17] then return hold_back(m[17]) end
if rows < enough and now - oldest < age then
	call("HSET", METER, "want", int(enough), "until", int(oldest + age))
	return out
end

local taken, bytes, alone, full = 0, 0, false, false
local waited, running = { "ZREM", DUE }, { "ZADD", RUNNING }

-- How many suspects stay where they are, and when the time for the first of them
-- comes.
local suspects = call("EXISTS", CRASHES) == 1
local held_back, held_until = 0, NEVER

-- Takes a call into the batch and returns true, or false if it does not fit.
-- What must not run, or cannot, is dropped and counts as taken.
local function take(lane, id, fs, released)
	local vrows, vbytes, _, start_by, deadline, share, job, group = plain(fs)
	local vr, member = tonumber(vrows) or 1, lane .. ":" .. id
	local suspect, hold = 0, 0
	if suspects and released then
		local shared, crashed, lost, till = marks(member)
		if shared + crashed + lost > 0 then suspect, hold = 1, till end
		if shared + crashed > 0 then suspect, start_by = 2, deadline end
	end
	local state, gone = nil, false
	if not vrows then
		bury(lane, id, fs, UNSOUND)
		gone = true
	elseif tonumber(start_by) <= now or (need > 0 and tonumber(deadline) < now + need and r[lane] - vr >= most) then
		gone = true
		if job == "" or finish(job, lane, id, "expired", now, retention, fs) then call("HINCRBY", METER, "n_expired", 1) end
		drop(lane, id, vbytes, share, fs[6])
	elseif job ~= "" then
		state = state_of(job, lane, id)
		if not state or terminal(state) then
			drop(lane, id, vbytes, share, fs[6])
			gone = true
		end
	end
	if not gone then
		if now < hold then
			held_back, held_until = held_back + 1, math.min(held_until, hold)
			return true
		end
		local single = group == "" or suspect > 0
		if alone or (taken > 0 and (single or taken + vr > most)) then return false end
		alone, taken, bytes = single, taken + vr, bytes + vbytes
		waited[#waited + 1] = member
		if state then
			call("HSET", JOB .. job, "state", "running", "started", out[1])
			running[#running + 1] = deadline
			running[#running + 1] = member
		end
		if released then call("XCLAIM", KEYS[lane], GROUP, consumer, 0, id, "JUSTID") end
		local at = #out
		out[at + 1], out[at + 2], out[at + 3], out[at + 4], out[at + 5], out[at + 6] = lane, id, suspect, fs[2], fs[4], fs[6] or ""
	end
	c[lane], r[lane] = c[lane] - 1, r[lane] - vr
	if released then s[lane] = s[lane] - 1 end
	full = alone or taken >= most or bytes >= most_bytes
	return true
end

-- Calls given back are older than any that were never delivered.
local function take_released(lane)
	local from, before = "-", held_back
	while s[lane] > held_back - before and not full do
		local ps = call("XPENDING", KEYS[lane], GROUP, from, "+", 32, RELEASED)
		if #ps == 0 then
			s[lane] = held_back - before
			return
		end
		for _, p in ipairs(ps) do
			if full then return end
			from = after(p[1])
			local e = call("XRANGE", KEYS[lane], p[1], p[1])[1]
			if not e then
				call("XACK", KEYS[lane], GROUP, p[1])
				s[lane] = s[lane] - 1
			elseif not take(lane, p[1], e[2], true) then
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

-- Reads about as many as fit: what is read and does not fit is given back.
local function take_new(lane)
	local mean_rows, mean_bytes = math.max(r[lane] / math.max(c[lane], 1), 1), m[15] / calls
	while not full do
		local fit = math.min((most - taken) / mean_rows, (most_bytes - bytes) / mean_bytes, 128)
		local n = math.max(1, math.floor(fit))
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

-- The lane that this batch begins with because it has waited too long, or nil.
local function aged()
	local first, oldest_of_all
	for lane = 2, 3 do
		local behind = c[1] > 0 or (lane == 3 and c[2] > 0)
		if c[lane] > 0 and behind and now - o[lane] >= aging and o[lane] < (oldest_of_all or now + 1) then
			first, oldest_of_all = lane, o[lane]
		end
	end
	if not first then return nil end
	call("HSET", METER, "turn", int((m[18] + 1) % 4))
	return m[18] == 3 and first or nil
end

local function take_from(lane)
	if c[lane] > 0 and not full then
		if s[lane] > 0 then take_released(lane) end
		if not full then take_new(lane) end
	end
end

local first = aged()
if first then take_from(first) end
for lane = 1, 3 do
	if lane ~= first then take_from(lane) end
end
if #waited > 2 then call(unpack(waited)) end
if #running > 2 then call(unpack(running)) end

-- What is left, and since when. A lane of which nothing was taken keeps its
-- oldest.
local set, left = { "HSET", METER, "want", 1, "until", 0 }, 0
for lane = 1, 3 do
	if m[lane] > 0 then
		if c[lane] > 0 and c[lane] ~= m[lane] then
			local t = head(lane, s[lane], last[lane])
			if t then o[lane] = t else c[lane], r[lane], s[lane] = 0, 0, 0 end
		end
		local at = #set
		set[at + 1], set[at + 2] = "c" .. lane, int(math.max(c[lane], 0))
		set[at + 3], set[at + 4] = "r" .. lane, int(math.max(r[lane], 0))
		set[at + 5], set[at + 6] = "s" .. lane, int(math.max(s[lane], 0))
		set[at + 7], set[at + 8] = "o" .. lane, int(o[lane])
		left = left + math.max(c[lane], 0)
	end
end
call(unpack(set))
if left > 0 and left <= held_back then
	-- All that is left has to wait.
	call("HSET", METER, "want", int(NEVER), "until", int(held_until))
	call("DEL", BELL)
	if taken == 0 then out[2], out[3], out[4], out[5], out[6] = 0, 0, 0, 0, "-1" end
elseif left > 0 then
	out[8] = 1
	ring()
else
	call("DEL", BELL)
end
return out
