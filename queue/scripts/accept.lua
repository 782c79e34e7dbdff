#!lua
-- Accept calls: check the bounds, append each to its lane, count it, ring.
-- Runs without allow-oom on purpose: a full Redis refuses new work here.
--
-- ARGV[1]  lane
-- ARGV[2]  most calls queued and running        ARGV[3]  most bytes of them
-- ARGV[4]  a worker is alive if it beat within so many ms; 0: none is needed
-- ARGV[5]  how many calls follow, each with
--          envelope, job id or "", rows, group, bytes, timeout in µs, method
--
-- Returns now in µs, then for each call its entry, or "full", "no worker", or
-- "known" if there is a job with that id already.
local lane, max_calls, max_bytes, ttl, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock()
local out = { int(now) }
if ttl > 0 and call("ZCOUNT", WORKERS, int(now / 1000 - ttl), "+inf") == 0 then
	for i = 1, n do out[i + 1] = "no worker" end
	return out
end
local m = call("HMGET", METER, "bytes", "c" .. lane, "r" .. lane, "want", "until", "arrived", "n_accepted", "r1", "r2", "r3", "o" .. lane)
for i = 1, 11 do m[i] = tonumber(m[i] or 0) end
local bytes, waiting, rows, want, ring_from, arrived, accepted = m[1], m[2], m[3], m[4], m[5], m[6], m[7]
local all = m[8] + m[9] + m[10]
local depth = call("XLEN", KEYS[1]) + call("XLEN", KEYS[2]) + call("XLEN", KEYS[3])
if depth == 0 and (bytes ~= 0 or all ~= 0) then
	bytes, waiting, rows, all = 0, 0, 0, 0
	call("HSET", METER, "c1", 0, "r1", 0, "s1", 0, "c2", 0, "r2", 0, "s2", 0, "c3", 0, "r3", 0, "s3", 0)
end
local was_waiting, added, due = waiting, 0, { "ZADD", DUE }
for i = 0, n - 1 do
	local a = 5 + i * 7
	local envelope, job, r, group, b, timeout, method =
		ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3]), ARGV[a + 4], tonumber(ARGV[a + 5]), tonumber(ARGV[a + 6]), ARGV[a + 7]
	if job ~= "" and call("EXISTS", JOB .. job) == 1 then
		out[i + 2] = "known"
	elseif depth >= max_calls or bytes + b > max_bytes then
		out[i + 2] = "full"
	else
		local deadline = int(now + timeout)
		local id = call("XADD", KEYS[lane], "*", "e", envelope, "m",
			ARGV[a + 3] .. " " .. ARGV[a + 5] .. " " .. out[1] .. " " .. deadline .. " " .. job .. " " .. group)
		due[#due + 1] = deadline
		due[#due + 1] = lane .. ":" .. id
		if job ~= "" then
			call("HSET", JOB .. job, "state", "queued", "lane", lane, "entry", id, "method", method,
				"rows", ARGV[a + 3], "created", out[1], "deadline", deadline)
		end
		depth, bytes, waiting, rows, all, arrived, added = depth + 1, bytes + b, waiting + 1, rows + r, all + r, arrived + r, added + 1
		out[i + 2] = id
	end
end
if added > 0 then
	call(unpack(due))
	call("HSET", METER, "bytes", int(bytes), "c" .. lane, int(waiting), "r" .. lane, int(rows),
		"newest", out[1], "arrived", int(arrived), "n_accepted", int(accepted + added),
		"o" .. lane, int(was_waiting > 0 and m[11] or now))
	if all >= want or now >= ring_from then ring() end
end
return out
