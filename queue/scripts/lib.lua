-- Shared by all scripts of a shard; the loader puts it in front of each.
--
-- KEYS[1..3] calls of the lanes high, normal, low   KEYS[4]  meter
-- KEYS[5]    due         KEYS[6]  running           KEYS[7]  crashes
-- KEYS[8]    bell        KEYS[9]  dead              KEYS[10] workers
-- KEYS[11]   beats       KEYS[12] what the keys of job records begin with
--
-- The meter's fields, kept by every step that changes what waits. A call waits
-- while it is undelivered or owned by the consumer "released".
--   bytes            of all entries, waiting and in flight
--   c<lane> r<lane>  calls and rows that wait
--   o<lane>          when the oldest of them was accepted
--   s<lane>          how many of them are owned by "released"
--   newest           when a call was last accepted
--   want until       ring when so many rows wait, or from this time on
--   arrived          rows accepted so far
--   dead             bytes of the dead letters
--   n_<event>        calls accepted, finished, expired, canceled, buried so far
local GROUP, RELEASED = "workers", "released"
local METER, DUE, RUNNING, CRASHES, BELL, DEAD, WORKERS, BEATS, JOB =
	KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local call = redis.call

-- How many dead letters are kept, and how many bytes of them.
local DEAD_CALLS, DEAD_BYTES = 10000, 67108864

local function int(x) return string.format("%d", x) end

-- Redis's clock in microseconds.
local function clock()
	local t = call("TIME")
	return t[1] * 1000000 + t[2]
end

-- The values of an entry by field name.
local function values(fields)
	local v = {}
	for i = 1, #fields, 2 do v[fields[i]] = fields[i + 1] end
	return v
end

-- What scripts see of an entry without decoding its envelope: rows, bytes,
-- accepted, deadline, job id or "", group, as text; nil if it is not as accept
-- writes it.
local UNSOUND = "fields are missing or contradict each other"
local function plain(fs)
	if #fs ~= 4 or fs[1] ~= "e" or fs[3] ~= "m" then return nil end
	local r, b, t, d, j, g = string.match(fs[4], "^(%d+) (%d+) (%d+) (%d+) (%S*) (.*)$")
	if not r or #r > 9 or #t > 16 or #d > 16 or tonumber(r) < 1 or tonumber(b) ~= #fs[2] then return nil end
	return r, b, t, d, j, g
end

-- The smallest id behind one.
local function after(id)
	local ms, seq = string.match(id, "(%d+)-(%d+)")
	return ms .. "-" .. int(seq + 1)
end

-- Puts the token on the bell unless it is there.
local function ring()
	if call("LLEN", BELL) == 0 then call("LPUSH", BELL, "1") end
end

-- Who owns a pending entry, or nil if it was not delivered or has ended.
local function owner(lane, id)
	local p = redis.pcall("XPENDING", KEYS[lane], GROUP, id, id, 1)
	return p[1] and p[1][2]
end

-- An entry as XRANGE answers it, or nil if it is gone.
local function fetch(lane, id)
	local e = call("XRANGE", KEYS[lane], id, id)[1]
	return e and e[2]
end

-- Takes an entry off its stream. Its bytes are given back only if it was there.
local function drop(lane, id, bytes)
	call("XACK", KEYS[lane], GROUP, id)
	if call("XDEL", KEYS[lane], id) == 1 and call("HINCRBY", METER, "bytes", 0 - bytes) < 0 then
		call("HSET", METER, "bytes", 0) -- a foreign hand put it there
	end
	call("ZREM", DUE, lane .. ":" .. id)
	call("ZREM", RUNNING, lane .. ":" .. id)
	call("HDEL", CRASHES, lane .. ":" .. id)
end

-- Gives up an entry: it leaves its lane and is kept as a dead letter, for as
-- long as there is room.
local function bury(lane, id, fs, reason)
	local v, _, b = values(fs), plain(fs)
	local e = v.e or ""
	call("XADD", DEAD, "*", "reason", reason, "lane", lane, "entry", id, "e", e, "m", v.m or "")
	drop(lane, id, b or 0)
	call("HINCRBY", METER, "n_buried", 1)
	local kept = call("HINCRBY", METER, "dead", #e)
	while kept > DEAD_BYTES or call("XLEN", DEAD) > DEAD_CALLS do
		local first = call("XRANGE", DEAD, "-", "+", "COUNT", 1)[1]
		if not first then break end
		call("XDEL", DEAD, first[1])
		kept = call("HINCRBY", METER, "dead", 0 - #(values(first[2]).e or ""))
	end
end

-- A call waits no more, or again.
local function waits(lane, calls, rows, released)
	call("HINCRBY", METER, "c" .. lane, calls)
	call("HINCRBY", METER, "r" .. lane, rows)
	if released ~= 0 then call("HINCRBY", METER, "s" .. lane, released) end
end

-- When the first call that waits in a lane was accepted, or nil. last is the
-- last entry that was delivered, if that is known.
local function head(lane, released, last)
	local p = released > 0 and call("XPENDING", KEYS[lane], GROUP, "-", "+", 1, RELEASED)[1]
	if p then
		local fs = fetch(lane, p[1])
		return fs and (tonumber((select(3, plain(fs)))) or clock())
	end
	if not last then
		local groups = redis.pcall("XINFO", "GROUPS", KEYS[lane])
		for _, g in ipairs(groups.err and {} or groups) do
			local v = values(g)
			if v.name == GROUP then last = v["last-delivered-id"] end
		end
	end
	local e = call("XRANGE", KEYS[lane], last and "(" .. last or "-", "+", "COUNT", 1)[1]
	return e and (tonumber((select(3, plain(e[2])))) or clock())
end

-- Notes when the oldest call of a lane was accepted, after one that waited, and
-- was accepted at t if that is known, has left.
local function refresh(lane, t)
	local m = call("HMGET", METER, "c" .. lane, "o" .. lane, "s" .. lane)
	if tonumber(m[1] or 0) > 0 and (not t or t <= tonumber(m[2] or 0)) then
		call("HSET", METER, "o" .. lane, int(head(lane, tonumber(m[3] or 0)) or clock()))
	end
end

local function terminal(state)
	return state == "succeeded" or state == "failed" or state == "canceled" or state == "expired"
end

-- Ends a job unless it has ended: the one place where a state becomes terminal.
local function finish(id, state, now, retention, field, value)
	local key = JOB .. id
	local was = call("HGET", key, "state")
	if not was or terminal(was) then return false end
	call("HSET", key, "state", state, "finished", int(now), "expires", int(now + retention * 1000))
	if field then call("HSET", key, field, value) end
	call("PEXPIRE", key, retention)
	return true
end

-- Gives a delivered call back. It waits again, at its old place, and true is
-- returned, unless it has no time left or its job has ended.
local function release(lane, id, fs, now, retention)
	local r, b, t, d, j = plain(fs)
	if not r then
		bury(lane, id, fs, UNSOUND)
		return false
	end
	local state = j ~= "" and (call("HGET", JOB .. j, "state") or "expired") or nil
	if tonumber(d) <= now then
		if not state or finish(j, "expired", now, retention) then call("HINCRBY", METER, "n_expired", 1) end
		state = "expired"
	end
	if terminal(state) then
		drop(lane, id, b)
		return false
	end
	call("XCLAIM", KEYS[lane], GROUP, RELEASED, 0, id, "JUSTID")
	local w = call("HMGET", METER, "c" .. lane, "o" .. lane)
	if tonumber(w[1] or 0) <= 0 or tonumber(t) < tonumber(w[2] or 0) then
		call("HSET", METER, "o" .. lane, t)
	end
	waits(lane, 1, r, 1)
	call("ZADD", DUE, d, lane .. ":" .. id)
	if state then
		call("ZREM", RUNNING, lane .. ":" .. id)
		call("HSET", JOB .. j, "state", "queued", "started", 0)
	end
	return true
end
