#!lua flags=allow-oom
-- Sweep: end what is past its deadline, take calls back from workers that gave
-- no sign of life for a lease, and count again what can be counted.
--
-- ARGV[1]  retention of an ended job in ms
-- ARGV[2]  lease in ms, or 0 to take nothing back
-- ARGV[3]  how many leases a call may lose before it is given up
-- ARGV[4]  the result of a job that is
-- ARGV[5]  how long a runner that crashes in a loop waits at first, in µs
--
-- Returns 1 if there may be more to do, how many expired, how many were taken
-- back, how many entries had lost their payload, and then the envelopes of
-- those given up.
local retention, lease, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock()
local expired, back, missing, out = 0, 0, 0, { 0, 0, 0, 0 }

-- The work of one sweep is bounded: it looks at payloads.
local LIMIT, BYTES = 100, 8388608
local seen_bytes = 0

local function overdue(key)
	local members = call("ZRANGEBYSCORE", key, "-inf", int(now), "LIMIT", 0, LIMIT)
	if #members == LIMIT then out[1] = 1 end
	return members
end

local oldest = {}
for _, member in ipairs(overdue(DUE)) do
	local lane, id = tonumber(string.sub(member, 1, 1)), string.sub(member, 3)
	local fs = fetch(lane, id) or {}
	local r, b, t, _, _, c, j = plain(fs)
	local who = r and owner(lane, id)
	call("ZREM", DUE, member)
	if r and (not who or who == RELEASED) then
		if j == "" or finish(j, lane, id, "expired", now, retention, fs) then expired = expired + 1 end
		withdraw(lane, id, who, r, b, c, fs[6])
		oldest[lane] = math.min(oldest[lane] or now, t)
		seen_bytes = seen_bytes + b
		if seen_bytes > BYTES then
			out[1] = 1
			break
		end
	end
end
for lane, t in pairs(oldest) do refresh(lane, t) end
for _, member in ipairs(overdue(RUNNING)) do
	local lane, id = tonumber(string.sub(member, 1, 1)), string.sub(member, 3)
	local fs = fetch(lane, id) or {}
	local _, _, _, _, _, _, j = plain(fs)
	if j and j ~= "" and finish(j, lane, id, "expired", now, retention, fs) then
		expired = expired + 1
		call("SADD", CANCELED, member)
	end
	call("ZREM", RUNNING, member)
end
if expired > 0 then call("HINCRBY", METER, "n_expired", expired) end

-- Records of ended jobs that Redis has dropped, which it does by the millisecond.
local old = call("ZRANGEBYSCORE", KEPT, "-inf", int(now - 2000), "LIMIT", 0, LIMIT)
for _, member in ipairs(old) do
	local size, id = string.match(member, "^(%d+):(.+)$")
	call("ZREM", KEPT, member)
	if call("EXISTS", JOB .. id) == 0 then call("ZREM", JOBS, id) end
	if call("HINCRBY", METER, "kept", 0 - size) < 0 then call("HSET", METER, "kept", 0) end
end
if #old == LIMIT then out[1] = 1 end

-- Jobs whose time has come: each gets an entry at the end of its lane.
local function queue_now(job)
	local key = JOB .. job
	local v = call("HMGET", key, "state", "entry", "call", "group", "rows", "asked", "begin", "timeout", "body")
	if v[1] ~= "queued" or v[2] ~= "" or not v[3] then
		call("ZREM", LATER, job)
		return
	end
	local apart = tonumber(v[9] or 0)
	take_from_later(job, #v[3] + apart)
	local body = v[9] and job .. "~" .. int(now)
	move_body(body and job, body)
	call("HDEL", key, "call", "group", "begin", "run_at", "body")
	call("HSET", key, enqueue(tonumber(v[6]), job, v[3], v[5], v[4], now, now + v[7], now + v[8], body, apart))
	seen_bytes = seen_bytes + #v[3]
end

for _, job in ipairs(overdue(LATER)) do
	queue_now(job)
	if seen_bytes > BYTES then
		out[1] = 1
		break
	end
end

-- A call that lost its worker is given back with a mark, so that it runs alone.
-- Losing a second one is as suspicious as a crash.
local function take_back(lane, id)
	local fs = fetch(lane, id)
	if not fs then
		call("XACK", KEYS[lane], GROUP, id)
		call("ZREM", RUNNING, lane .. ":" .. id)
		call("HDEL", CRASHES, lane .. ":" .. id)
		call("SREM", CANCELED, lane .. ":" .. id)
		missing = missing + 1
		return
	end
	if not plain(fs) then
		bury(lane, id, fs, UNSOUND)
		return
	end
	local shared, alone, lost = marks(lane .. ":" .. id)
	lost = lost + 1
	if lost > 1 then note_crash(now) end
	if lost < most then
		mark(lane .. ":" .. id, shared, alone, lost, now, tonumber(ARGV[5]))
		if release(lane, id, fs, now, retention) then back = back + 1 end
		return
	end
	out[#out + 1] = give_up(lane, id, fs, now, retention, ARGV[4], "lost with " .. most .. " workers")
end

local function take_back_from(lane, consumer)
	local idle = call("XPENDING", KEYS[lane], GROUP, "IDLE", lease, "-", "+", LIMIT, consumer)
	if #idle == LIMIT then out[1] = 1 end
	for _, p in ipairs(idle) do
		if p[3] >= lease then take_back(lane, p[1]) end
	end
end

-- Corrects the meter where a foreign hand made it drift: calls that wait are
-- those that are undelivered or given back. Their rows are a guess then.
local function recount(lane, pending)
	local released = 0
	for _, consumer in ipairs(pending[4] or {}) do
		if consumer[1] == RELEASED then released = tonumber(consumer[2]) end
	end
	local waiting = math.max(call("XLEN", KEYS[lane]) - pending[1], 0) + released
	local m = call("HMGET", METER, "c" .. lane, "r" .. lane, "s" .. lane)
	for i = 1, 3 do m[i] = tonumber(m[i] or 0) end
	if waiting ~= m[1] or released ~= m[3] or m[2] < waiting or (waiting == 0 and m[2] ~= 0) then
		call("HSET", METER, "c" .. lane, waiting, "s" .. lane, released,
			"r" .. lane, int(waiting == 0 and 0 or math.max(m[2], waiting)),
			"o" .. lane, int(waiting > 0 and head(lane, released) or now))
	end
	return waiting
end

local depth, waiting = 0, 0
for lane = 1, 3 do
	local length = call("XLEN", KEYS[lane])
	local pending = redis.pcall("XPENDING", KEYS[lane], GROUP)
	if pending.err and length > 0 then
		call("XGROUP", "CREATE", KEYS[lane], GROUP, "0")
		pending = call("XPENDING", KEYS[lane], GROUP)
	end
	if not pending.err then
		if lease > 0 and pending[1] > 0 then
			for _, consumer in ipairs(pending[4]) do
				if consumer[1] ~= RELEASED then take_back_from(lane, consumer[1]) end
			end
			pending = call("XPENDING", KEYS[lane], GROUP)
		end
		waiting = waiting + recount(lane, pending)
	end
	depth = depth + length
end
if depth == 0 then
	call("HSET", METER, "bytes", 0)
	call("DEL", CALLERS, CANCELED)
end

-- What waits and may be cut must not depend on a worker that heard the bell and
-- died.
if waiting > 0 then
	local m = call("HMGET", METER, "want", "until", "r1", "r2", "r3", "gate")
	for i = 1, 6 do m[i] = tonumber(m[i] or 0) end
	if m[6] ~= 1 and (m[3] + m[4] + m[5] >= m[1] or now >= m[2]) then ring() end
end
out[2], out[3], out[4] = expired, back, missing
return out
