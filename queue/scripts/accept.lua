#!lua
-- Accept calls: check the bounds, append each to its lane, count it, ring.
-- Runs without allow-oom on purpose: a full Redis refuses new work here.
--
-- ARGV[1]  lane
-- ARGV[2]  most calls queued and running        ARGV[3]  most bytes of them
-- ARGV[4]  a worker is alive if it beat within so many ms; 0: none is needed
-- ARGV[5]  what a lone caller may have of both, in millionths; 0: no bound
-- ARGV[6]  how long the runner needs for a row in ns; 0: not known
-- ARGV[7]  most bytes kept of ended jobs
-- ARGV[8]  how many calls follow, each with envelope, job id or "", rows, group,
--          bytes with its body, µs to begin in, µs to end in, method, caller or "",
--          for a job what is special about it or "": µs until it is queued, retries,
--          µs until the first and at most until one, events, URL of its webhook,
--          and the name of its body or ""
--
-- Returns now in µs, then for each call "<lane> <entry>", and for a job
-- " <calls before it>" behind that; or why not: "full", "caller", "late <expected wait in µs>", "closed", "kept",
-- "no worker", "no body" if its body is not there, or "known" if there is a job
-- with that id already. The body of a call that is not taken is dropped.
--
-- A caller that holds more than a sixteenth of the queue goes one lane lower, so
-- that others need not wait behind all of it; unless there were none lately.
local lane, max_calls, max_bytes, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local lone, row_time, max_kept, n = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local WHOLE = 1000000
local HEAVY = WHOLE / 16
local now = clock()
local out = { int(now) }

if ttl > 0 and call("ZCOUNT", WORKERS, int(now / 1000 - ttl), "+inf") == 0 then
	for i = 1, n do
		out[i + 1] = "no worker"
		local body = ARGV[8 + i * 11]
		if body ~= "" then call("UNLINK", BODY .. body) end
	end
	return out
end
local m = call("HMGET", METER, "bytes", "want", "until", "arrived", "n_accepted", "gate", "kept",
	"c1", "r1", "o1", "a1", "c2", "r2", "o2", "a2", "c3", "r3", "o3", "a3", "shared",
	"later", "later_bytes")
for i = 1, 22 do m[i] = tonumber(m[i] or 0) end
local bytes, arrived, accepted, kept = m[1], m[4], m[5], m[7]
local c, r, o, seq = { m[8], m[12], m[16] }, { m[9], m[13], m[17] }, { m[10], m[14], m[18] }, { m[11], m[15], m[19] }
local depth = call("XLEN", KEYS[1]) + call("XLEN", KEYS[2]) + call("XLEN", KEYS[3])
if depth == 0 and (bytes ~= 0 or r[1] + r[2] + r[3] ~= 0) then
	bytes, c, r = 0, { 0, 0, 0 }, { 0, 0, 0 }
	call("HSET", METER, "bytes", 0, "c1", 0, "r1", 0, "s1", 0, "c2", 0, "r2", 0, "s2", 0, "c3", 0, "r3", 0, "s3", 0)
	call("DEL", CALLERS)
end

-- What callers hold, before and with this script. Two at a time make the queue a
-- shared one, for ten minutes.
local held, gained, shared = {}, {}, m[20]
local function meet(caller)
	held[caller], gained[caller] = tonumber(call("HGET", CALLERS, caller) or 0), 0
	if now + 300000000 < shared then return end
	local others = call("HLEN", CALLERS) - (held[caller] > 0 and 1 or 0)
	for _, part in pairs(gained) do
		if part > 0 then others = others + 1 end
	end
	if others > 0 then shared = now + 600000000 end
end

-- What one caller may have, where several have calls.
local function most_of(caller)
	local callers = call("HLEN", CALLERS)
	for other, part in pairs(gained) do
		if held[other] == 0 and (part > 0 or other == caller) then callers = callers + 1 end
	end
	return lone / math.max(callers, 1)
end

-- How many calls and rows wait before one that comes to a lane now.
local function before(to)
	local calls, rows = 0, 0
	for l = 1, to do calls, rows = calls + c[l], rows + r[l] end
	return calls, rows
end

-- A moment so many µs from now. Most calls have the same time.
local moments = {}
local function from_now(left)
	local t = moments[left]
	if not t then
		t = int(now + left)
		moments[left] = t
	end
	return t
end

-- Most jobs are new: one look at all of them tells.
local records, known = { "EXISTS" }, {}
for i = 0, n - 1 do
	local job = ARGV[8 + i * 11 + 2]
	if job ~= "" then records[#records + 1] = JOB .. job end
end
local all_new = #records == 1 or call(unpack(records)) == 0

local part_of_call, part_of_byte = WHOLE / max_calls, WHOLE / max_bytes
local added, due, index, touched = 0, { "ZADD", DUE }, { "ZADD", JOBS }, {}
for i = 0, n - 1 do
	local a = 8 + i * 11
	local job, rows, b, left, caller = ARGV[a + 2], tonumber(ARGV[a + 3]), tonumber(ARGV[a + 5]), ARGV[a + 6], ARGV[a + 9]
	local to, part, has, why, delay = lane, 0, 0, nil, 0
	local special = ARGV[a + 10] ~= "" and { string.match(ARGV[a + 10], "^(%d+) (%d+) (%d+) (%d+) (%S*) (%S*)$") } or nil
	if special then delay = tonumber(special[1]) end
	local body, e = ARGV[a + 11], ARGV[a + 1]
	if caller ~= "" then
		part = math.ceil(math.max(part_of_call, b * part_of_byte))
		if not held[caller] then meet(caller) end
		has = held[caller] + gained[caller]
		if has > HEAVY and to < 3 and now < shared then to = to + 1 end
	end
	if job ~= "" and (known[job] or not all_new and call("EXISTS", JOB .. job) == 1) then
		why = "known"
	elseif body ~= "" and call("STRLEN", BODY .. body) ~= b - #e then
		why = "no body"
	elseif m[6] == 2 then
		why = "closed"
	elseif delay > 0 and (m[21] >= max_calls or m[22] + b > max_bytes) then
		why = "full"
	elseif delay > 0 then
		why = kept >= max_kept and "kept" or nil
	elseif depth >= max_calls or bytes + b > max_bytes then
		why = "full"
	elseif has > 0 and lone > 0 and (depth * 2 >= max_calls or bytes * 2 >= max_bytes) and has + part > most_of(caller) then
		why = "caller"
	elseif job ~= "" and kept >= max_kept then
		why = "kept"
	elseif row_time > 0 then
		local _, waiting = before(to)
		local wait = waiting * row_time / 1000
		if wait > tonumber(left) then why = "late " .. int(wait) end
	end
	if not why then known[job] = true end
	if special and not why then
		call("HSET", JOB .. job, "retries", special[2], "backoff", special[3], "max_backoff", special[4])
		if special[6] ~= "" then call("HSET", JOB .. job, "events", special[5], "hook", special[6]) end
	end
	if why then
		out[i + 2] = why
		if body ~= "" then call("UNLINK", BODY .. body) end
	elseif delay > 0 then
		local at = now + delay
		call("HSET", JOB .. job, "state", "queued", "lane", lane, "asked", lane, "entry", "", "method", ARGV[a + 8],
			"rows", ARGV[a + 3], "created", out[1], "start_by", int(at + left), "deadline", int(at + ARGV[a + 7]),
			"run_at", int(at), "begin", left, "timeout", ARGV[a + 7], "call", e, "group", ARGV[a + 4])
		if body ~= "" then
			call("HSET", JOB .. job, "body", move_body(body, job))
		end
		call("ZADD", JOBS, out[1], job)
		put_later(job, 0, at, now, b)
		m[21], m[22] = m[21] + 1, m[22] + b
		call("HINCRBY", METER, "n_accepted", 1)
		accepted = accepted + 1
		out[i + 2] = lane .. "  -1"
	else
		local start_by, deadline, share = from_now(left), from_now(ARGV[a + 7]), ""
		if part > 0 then
			share = part .. "@" .. caller
			gained[caller] = gained[caller] + part
		end
		local add = { "XADD", KEYS[to], "*", "e", e, "m", ARGV[a + 3] .. " " .. ARGV[a + 5] .. " " .. out[1] ..
			" " .. start_by .. " " .. deadline .. " " .. share .. " " .. job .. " " .. ARGV[a + 4] }
		if body ~= "" then
			add[8], add[9] = "b", body
			call("PEXPIRE", BODY .. body, int(ARGV[a + 7] / 1000) + (job == "" and BODY_MARGIN or JOB_BODY_MARGIN))
		end
		local id = call(unpack(add))
		due[#due + 1] = start_by
		due[#due + 1] = to .. ":" .. id
		seq[to] = seq[to] + 1
		out[i + 2] = to .. " " .. id
		if job ~= "" then
			out[i + 2] = out[i + 2] .. " " .. int((before(to)))
			call("HSET", JOB .. job, "state", "queued", "lane", to, "asked", lane, "entry", id, "method", ARGV[a + 8],
				"rows", ARGV[a + 3], "created", out[1], "start_by", start_by, "deadline", deadline, "seq", int(seq[to]))
			index[#index + 1] = out[1]
			index[#index + 1] = job
		end
		if c[to] == 0 then o[to] = now end
		c[to], r[to], touched[to] = c[to] + 1, r[to] + rows, true
		depth, bytes, arrived, added = depth + 1, bytes + b, arrived + rows, added + 1
	end
end
if added == 0 then return out end
call(unpack(due))
if #index > 2 then call(unpack(index)) end
for caller, part in pairs(gained) do
	if part > 0 then call("HINCRBY", CALLERS, caller, part) end
end
local set = { "HSET", METER, "bytes", int(bytes), "newest", out[1], "arrived", int(arrived), "n_accepted", int(accepted + added),
	"shared", int(shared) }
for l in pairs(touched) do
	local at = #set
	set[at + 1], set[at + 2] = "c" .. l, int(c[l])
	set[at + 3], set[at + 4] = "r" .. l, int(r[l])
	set[at + 5], set[at + 6] = "o" .. l, int(o[l])
	set[at + 7], set[at + 8] = "a" .. l, int(seq[l])
end
call(unpack(set))
if m[6] == 0 and (r[1] + r[2] + r[3] >= m[2] or now >= m[3]) then ring() end
return out
