-- Shared by all scripts of a shard; the loader puts it in front of each.
--
-- KEYS[1..3] calls of the lanes high, normal, low   KEYS[4]  meter
-- KEYS[5]    due         KEYS[6]  crashes           KEYS[7]  bell
-- KEYS[8]    dead        KEYS[9]  workers           KEYS[10] beats
-- KEYS[11]   what the keys of job records begin with
--
-- The meter's fields, kept by every step that changes what waits. A call waits
-- while it is undelivered or owned by the consumer "released".
--   bytes            of all entries, waiting and in flight
--   c<lane> r<lane>  calls and rows that wait
--   o<lane>          when the oldest of them was accepted; may be too early
--   s<lane>          how many of them are owned by "released"
--   newest           when a call was last accepted
--   want until       ring when so many rows wait, or from this time on
--   arrived          rows accepted so far
--   n_<event>        calls accepted, finished, expired, canceled, buried so far
local GROUP, RELEASED = "workers", "released"
local METER, DUE, CRASHES, BELL, DEAD, WORKERS, BEATS, JOB =
	KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local call = redis.call

local function int(x) return string.format("%.0f", x) end

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

-- Puts the token on the bell unless it is there.
local function ring()
	if call("LLEN", BELL) == 0 then call("LPUSH", BELL, "1") end
end

-- Who owns a pending entry, or nil if it was not delivered or has ended.
local function owner(lane, id)
	local p = call("XPENDING", KEYS[lane], GROUP, id, id, 1)
	return p[1] and p[1][2]
end

local function fields(lane, id)
	local e = call("XRANGE", KEYS[lane], id, id)
	return e[1] and values(e[1][2])
end

-- Takes an entry off its stream. Its bytes are given back only if it was there.
local function drop(lane, id, bytes)
	call("XACK", KEYS[lane], GROUP, id)
	if call("XDEL", KEYS[lane], id) == 1 then call("HINCRBY", METER, "bytes", -bytes) end
	call("ZREM", DUE, lane .. ":" .. id)
	call("HDEL", CRASHES, id)
end

-- Gives up an entry: it leaves its lane and is kept as a dead letter.
local function bury(lane, id, fs, reason)
	local v = values(fs)
	call("XADD", DEAD, "MAXLEN", "~", 10000, "*", "reason", reason, "lane", lane, "entry", id,
		"e", v.e or "", "r", v.r or "", "g", v.g or "", "b", v.b or "", "t", v.t or "", "j", v.j or "")
	drop(lane, id, tonumber(v.b) or 0)
	call("HINCRBY", METER, "n_buried", 1)
end

-- A call waits no more, or again.
local function waits(lane, calls, rows, released)
	call("HINCRBY", METER, "c" .. lane, calls)
	call("HINCRBY", METER, "r" .. lane, rows)
	if released ~= 0 then call("HINCRBY", METER, "s" .. lane, released) end
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

-- Gives a delivered call back: it waits again, at its old place.
local function release(lane, id, v)
	call("XCLAIM", KEYS[lane], GROUP, RELEASED, 0, id, "JUSTID")
	local w = call("HMGET", METER, "c" .. lane, "o" .. lane)
	if tonumber(w[1] or 0) <= 0 or tonumber(v.t) < tonumber(w[2] or 0) then
		call("HSET", METER, "o" .. lane, v.t)
	end
	waits(lane, 1, v.r, 1)
	if v.j ~= "" and call("HGET", JOB .. v.j, "state") == "running" then
		call("HSET", JOB .. v.j, "state", "queued")
	end
end
