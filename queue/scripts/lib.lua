-- Shared by all scripts of a shard; the loader puts it in front of each.
--
-- KEYS[1..3] calls of the lanes high, normal, low   KEYS[4]  meter
-- KEYS[5]    due         KEYS[6]  running           KEYS[7]  crashes
-- KEYS[8]    bell        KEYS[9]  dead              KEYS[10] workers
-- KEYS[11]   beats       KEYS[12] callers           KEYS[13] canceled
-- KEYS[14]   jobs        KEYS[15] kept              KEYS[16] later
-- KEYS[17]   errands     KEYS[18] what the keys of job records begin with
-- KEYS[19]   what the keys of bodies begin with, see body.go
--
-- The meter's fields, kept by every step that changes what waits. A call waits
-- while it is undelivered or owned by the consumer "released".
--   bytes            of all entries and their bodies, waiting and in flight
--   c<lane> r<lane>  calls and rows that wait
--   o<lane>          when the oldest of them was accepted
--   s<lane>          how many of them are owned by "released"
--   a<lane>          calls accepted into the lane so far
--   newest           when a call was last accepted
--   want until       ring when so many rows wait, or from this time on
--   arrived          rows accepted so far
--   shared           until when callers count as more than one
--   turn             batches cut while a lane that goes last had waited too long
--   gate             1: nothing goes out, 2: nothing comes in
--   crashed at       crashes within a minute of each other, and when the last was
--   streak finished  those that were reported with nothing finished in between,
--                    and n_finished at the last of them
--   all              until when the runner takes nothing because of them
--   kept             bytes of the records of ended jobs
--   later later_bytes  jobs that are to be queued later, and their bytes
--   dead             bytes of the dead letters
--   audit            how far the audit of jobs has come
--   n_<event>        calls accepted, finished, expired, canceled, buried so far
local GROUP, RELEASED = "workers", "released"
local METER, DUE, RUNNING, CRASHES, BELL, DEAD, WORKERS, BEATS, CALLERS, CANCELED, JOBS, KEPT, LATER, ERRANDS, JOB, BODY =
	KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15], KEYS[16], KEYS[17], KEYS[18], KEYS[19]
local call = redis.call

-- How long the record of a job is kept at least whose end somebody is to be told,
-- in ms: the day for which that is tried, and an hour for the last time.
local HOOK_RETENTION = 90000000

-- How long after its call's deadline the body of an entry is dropped if nobody has,
-- in ms. What a job had is kept for who runs it again, also if it expired while nothing
-- ran here.
local BODY_MARGIN, JOB_BODY_MARGIN = 3600000, 604800000

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

-- What scripts see of an entry without decoding its envelope, as text: rows,
-- bytes, accepted, when execution must have begun, deadline, the caller's share
-- or "", job id or "", group; nil if it is not as accept writes it. The name of its
-- body, if it has one, is fs[6].
local UNSOUND = "fields are missing or contradict each other"
local function plain(fs)
	if fs[1] ~= "e" or fs[3] ~= "m" or (#fs ~= 4 and (#fs ~= 6 or fs[5] ~= "b")) then return nil end
	local r, b, t, s, d, c, j, g = string.match(fs[4], "^(%d+) (%d+) (%d+) (%d+) (%d+) (%S*) (%S*) (.*)$")
	if not r or #r > 9 or #t > 16 or #s > 16 or #d > 16 or tonumber(r) < 1 then return nil end
	if tonumber(b) < #fs[2] or (not fs[6] and tonumber(b) > #fs[2]) then return nil end
	return r, b, t, s, d, c, j, g
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

-- Gives callers back what their calls had of the queue: how many calls had each
-- share, <millionths of the queue>@<caller>.
local function give_back(shares)
	for share, calls in pairs(shares) do
		local part, caller = string.match(share, "^(%d+)@(.+)$")
		if part and call("HINCRBY", CALLERS, caller, 0 - part * calls) <= 0 then call("HDEL", CALLERS, caller) end
	end
end

-- Has a body, if there is one, under another name too, until it is dropped. Returns
-- its bytes, 0 for none.
local function copy_body(from, to)
	if not from or call("COPY", BODY .. from, BODY .. to, "REPLACE") == 0 then return 0 end
	call("PERSIST", BODY .. to)
	return call("STRLEN", BODY .. to)
end

-- The same under another name only.
local function move_body(from, to)
	if not from or call("EXISTS", BODY .. from) == 0 then return 0 end
	call("RENAME", BODY .. from, BODY .. to)
	call("PERSIST", BODY .. to)
	return call("STRLEN", BODY .. to)
end

-- Takes an entry off its stream, with its body if it has one. What it counts for is
-- given back only if it was there.
local function drop(lane, id, bytes, share, body)
	local member = lane .. ":" .. id
	call("XACK", KEYS[lane], GROUP, id)
	if call("XDEL", KEYS[lane], id) == 1 then
		if call("HINCRBY", METER, "bytes", 0 - bytes) < 0 then
			call("HSET", METER, "bytes", 0) -- a foreign hand put it there
		end
		give_back({ [share] = 1 })
	end
	call("ZREM", DUE, member)
	call("ZREM", RUNNING, member)
	call("HDEL", CRASHES, member)
	call("SREM", CANCELED, member)
	if body then call("UNLINK", BODY .. body) end
end

-- Drops a dead letter, as XRANGE answers it, and returns the bytes of those that
-- are left.
local function discard(letter)
	local v = values(letter[2])
	local bytes = #(v.e or "")
	if v.b then
		bytes = bytes + call("STRLEN", BODY .. v.b)
		call("UNLINK", BODY .. v.b)
	end
	call("XDEL", DEAD, letter[1])
	return call("HINCRBY", METER, "dead", 0 - bytes)
end

-- Gives up an entry: it leaves its lane and is kept as a dead letter, for as
-- long as there is room.
local function bury(lane, id, fs, reason)
	local v, _, b, _, _, _, c = values(fs), plain(fs)
	local e = v.e or ""
	local letter = { "XADD", DEAD, "*", "reason", reason, "lane", lane, "entry", id, "e", e, "m", v.m or "" }
	local apart = 0
	if v.b then
		local name = "dead~" .. lane .. "~" .. id
		apart = move_body(v.b, name)
		letter[14], letter[15] = "b", name
	end
	call(unpack(letter))
	drop(lane, id, b or 0, c or "", v.b)
	call("HINCRBY", METER, "n_buried", 1)
	local kept = call("HINCRBY", METER, "dead", #e + apart)
	while kept > DEAD_BYTES or call("XLEN", DEAD) > DEAD_CALLS do
		local first = call("XRANGE", DEAD, "-", "+", "COUNT", 1)[1]
		if not first then break end
		kept = discard(first)
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

-- The state of the job that an entry stands for; nil if it is not there any more,
-- or was queued again and another entry stands for it.
local function state_of(job, lane, id)
	local v = call("HMGET", JOB .. job, "state", "lane", "entry")
	return v[3] == id and v[2] == tostring(lane) and v[1] or nil
end

-- The records of ended jobs are kept until some time, and counted: members of KEPT
-- with their scores, and their bytes.
local function keep(members, bytes)
	if #members > 0 then
		call("ZADD", KEPT, unpack(members))
		call("HINCRBY", METER, "kept", bytes)
	end
end

-- Ends the job of an entry unless it has ended: the one place where a state
-- becomes terminal. fs are the fields of the entry: what it takes to run it again
-- is kept unless it succeeded. Where many end, members gets what is to be kept of
-- each; the number is its bytes, or false if it had ended.
local function finish_one(id, lane, entry, state, now, retention, fs, result, members, outputs)
	local key = JOB .. id
	local v = call("HMGET", key, "state", "lane", "entry", "hook", "events", "hooks")
	local was = v[3] == entry and v[2] == tostring(lane) and v[1] or nil
	if not was or terminal(was) then return false end
	local e, apart = fs and state ~= "succeeded" and fs[2] or "", 0
	if e ~= "" then
		apart = copy_body(fs[6], id)
	elseif entry == "" then
		-- It was to be queued later, and its record has what that takes.
		local c = call("HMGET", key, "call", "body")
		e, apart = c[1] or "", tonumber(c[2] or 0)
	end
	local produced = move_body(outputs, "result~" .. id)
	local size = #e + apart + #(result or "") + produced
	local set = { "HSET", key, "state", state, "finished", int(now), "size", size, "expires", 0 }
	if v[4] and (v[5] == "" or string.find("," .. v[5] .. ",", "," .. state .. ",", 1, true)) then
		local n = int(tonumber(v[6] or 0) + 1)
		call("ZADD", ERRANDS, int(now), "webhook:" .. n .. ":" .. id)
		local at = #set
		set[at + 1], set[at + 2], set[at + 3], set[at + 4], set[at + 5], set[at + 6] =
			"hook_state", "pending", "hooks", n, "deliveries", 0
		retention = math.max(retention, HOOK_RETENTION)
	end
	local expires = int(now + retention * 1000)
	set[10] = expires
	if produced > 0 then
		set[#set + 1], set[#set + 2] = "outputs", int(produced)
	elseif result then
		set[#set + 1], set[#set + 2] = "result", result
	end
	if fs and e ~= "" then
		local at = #set
		set[at + 1], set[at + 2], set[at + 3], set[at + 4] = "call", e, "group", (select(8, plain(fs))) or ""
		if apart > 0 then set[at + 5], set[at + 6] = "body", int(apart) end
	end
	call(unpack(set))
	call("PEXPIRE", key, retention)
	if apart > 0 then call("PEXPIRE", BODY .. id, retention) end
	if produced > 0 then call("PEXPIRE", BODY .. "result~" .. id, retention) end
	members[#members + 1] = expires
	members[#members + 1] = size .. ":" .. id
	return size
end

-- Ends one job so, and reports whether it did.
local function finish(id, lane, entry, state, now, retention, fs, result)
	local members = {}
	local size = finish_one(id, lane, entry, state, now, retention, fs, result, members)
	if size then keep(members, size) end
	return size and true
end

-- Gives a job an entry at the end of a lane, as accept does for many at once, and
-- returns what its record is to say of that. body is the name of its body, of so
-- many bytes, or nil.
local function enqueue(lane, job, e, rows, group, now, start_by, deadline, body, apart)
	local bytes = #e + apart
	local add = { "XADD", KEYS[lane], "*", "e", e, "m",
		table.concat({ rows, int(bytes), int(now), int(start_by), int(deadline), "", job, group }, " ") }
	if body then
		add[8], add[9] = "b", body
		call("PEXPIRE", BODY .. body, int((deadline - now) / 1000) + JOB_BODY_MARGIN)
	end
	local id = call(unpack(add))
	call("ZADD", DUE, int(start_by), lane .. ":" .. id)
	if tonumber(call("HGET", METER, "c" .. lane) or 0) <= 0 then call("HSET", METER, "o" .. lane, int(now)) end
	waits(lane, 1, rows, 0)
	call("HINCRBY", METER, "bytes", int(bytes))
	call("HINCRBY", METER, "arrived", rows)
	call("HSET", METER, "newest", int(now))
	return "lane", lane, "entry", id, "start_by", int(start_by), "deadline", int(deadline),
		"seq", int(call("HINCRBY", METER, "a" .. lane, 1))
end

-- Takes a call off its lane that waits there; who is its owner, if it has one.
-- What was the oldest of the lane is to be refreshed then.
local function withdraw(lane, id, who, rows, bytes, share, body)
	waits(lane, -1, 0 - rows, who and -1 or 0)
	drop(lane, id, bytes, share, body)
end

-- Marks of a call that may be to blame for a crash: crashes in company, crashes
-- alone, leases lost, and until when it waits.
local function marks(member)
	local v = call("HGET", CRASHES, member)
	if not v then return 0, 0, 0, 0 end
	local shared, alone, lost, hold = string.match(v, "^(%d+) (%d+) (%d+) (%d+)$")
	return tonumber(shared or 0), tonumber(alone or 0), tonumber(lost or 0), tonumber(hold or 0)
end

-- Gives a delivered call back. It waits again, at its old place, and true is
-- returned, unless it has no time left or its job has ended. One that ran when its
-- instance crashed had begun in time, and has until its deadline.
local function release(lane, id, fs, now, retention)
	local r, b, t, s, d, c, j = plain(fs)
	if not r then
		bury(lane, id, fs, UNSOUND)
		return false
	end
	local shared, alone = marks(lane .. ":" .. id)
	if shared + alone > 0 then s = d end
	local state = j ~= "" and (state_of(j, lane, id) or "expired") or nil
	if state == nil and call("SISMEMBER", CANCELED, lane .. ":" .. id) == 1 then
		state = "canceled"
		call("HINCRBY", METER, "n_canceled", 1)
	elseif tonumber(s) <= now then
		if not state or finish(j, lane, id, "expired", now, retention, fs) then call("HINCRBY", METER, "n_expired", 1) end
		state = "expired"
	end
	if terminal(state) then
		drop(lane, id, b, c, fs[6])
		return false
	end
	call("XCLAIM", KEYS[lane], GROUP, RELEASED, 0, id, "JUSTID")
	local w = call("HMGET", METER, "c" .. lane, "o" .. lane)
	if tonumber(w[1] or 0) <= 0 or tonumber(t) < tonumber(w[2] or 0) then
		call("HSET", METER, "o" .. lane, t)
	end
	waits(lane, 1, r, 1)
	call("ZADD", DUE, s, lane .. ":" .. id)
	if state then
		call("ZREM", RUNNING, lane .. ":" .. id)
		call("HSET", JOB .. j, "state", "queued", "started", 0)
	end
	return true
end

-- Has a job queued later, at a time in µs: by the sorted set if that is near, else
-- by an errand. Its record has what it takes, of so many bytes.
local function put_later(job, attempt, at, now, bytes)
	if at - now < 60000000 then
		call("ZADD", LATER, int(at), job)
	else
		call("ZADD", ERRANDS, int(at), "later:" .. int(attempt) .. ":" .. job)
	end
	call("HINCRBY", METER, "later", 1)
	call("HINCRBY", METER, "later_bytes", int(bytes))
end

-- A job is not to be queued later any more. Returns whether the sorted set had it.
local function take_from_later(job, bytes)
	local near = call("ZREM", LATER, job) == 1
	if call("HINCRBY", METER, "later", -1) < 0 then call("HSET", METER, "later", 0) end
	if call("HINCRBY", METER, "later_bytes", 0 - bytes) < 0 then call("HSET", METER, "later_bytes", 0) end
	return near
end

-- An envelope with another attempt in it: bytes 5 to 8, little-endian.
local function with_attempt(e, n)
	local function byte(k) return string.char(math.floor(n / 256 ^ k) % 256) end
	return string.sub(e, 1, 4) .. byte(0) .. byte(1) .. byte(2) .. byte(3) .. string.sub(e, 9)
end

-- Has a job that failed queued again later, and returns true, if it is to be. The
-- caller takes its entry off. chance, 0 to 1, spreads jobs that failed together.
local function try_again(job, lane, id, fs, now, result, chance)
	local state = state_of(job, lane, id)
	if not state or terminal(state) then return false end
	local key = JOB .. job
	local v = call("HMGET", key, "retries", "backoff", "max_backoff", "attempt", "tried")
	for i = 1, 5 do v[i] = tonumber(v[i] or 0) end
	if v[1] < 1 then return false end
	local attempt = v[4] + 1
	local at = now + math.min(v[2] * 2 ^ v[5], v[3]) * (0.8 + 0.4 * chance)
	local _, _, t, s, dl, _, _, group = plain(fs)
	local e, apart = with_attempt(fs[2], attempt), copy_body(fs[6], job)
	if apart > 0 then call("HSET", key, "body", int(apart)) end
	call("HSET", key, "state", "queued", "entry", "", "started", 0, "run_at", int(at), "attempt", int(attempt),
		"retries", int(v[1] - 1), "tried", int(v[5] + 1), "try:" .. int(v[5] + 1), int(now) .. " " .. result,
		"begin", int(s - t), "timeout", int(dl - t), "call", e, "group", group)
	put_later(job, attempt, at, now, #e + apart)
	return true
end

-- Gives up a call that was to blame, or has its job tried again. Returns its
-- envelope if somebody is to be told.
local function give_up(lane, id, fs, now, retention, result, reason)
	local _, b, _, _, _, c, job = plain(fs)
	if job ~= "" and try_again(job, lane, id, fs, now, result, now % 1000 / 1000) then
		drop(lane, id, b, c, fs[6])
		return nil
	end
	local told = job == "" or finish(job, lane, id, "failed", now, retention, fs, result)
	bury(lane, id, fs, reason)
	return told and fs[2] or nil
end

-- How long to wait after the nth time: backoff µs, twice as long, and so on, half
-- a minute at most.
local function pause(backoff, n) return math.min(backoff * 2 ^ (n - 1), 30000000) end

-- Marks a call. From the second mark that it alone earned it waits, longer each
-- time, so that others are served meanwhile: a worker may be lost once for
-- reasons that are not the call's.
local function mark(member, shared, alone, lost, now, backoff)
	local own = alone + lost
	local hold = own > 1 and now + pause(backoff, own - 1) or 0
	call("HSET", CRASHES, member, int(shared) .. " " .. int(alone) .. " " .. int(lost) .. " " .. int(hold))
end

-- Notes that a runner crashed, or lost a worker for the second time with a call.
local function note_crash(now)
	local m = call("HMGET", METER, "crashed", "at")
	local crashed = now - tonumber(m[2] or 0) < 60000000 and tonumber(m[1] or 0) + 1 or 1
	call("HSET", METER, "crashed", int(crashed), "at", int(now))
end
