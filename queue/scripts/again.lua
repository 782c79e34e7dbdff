#!lua
-- Again: queue a job again that has ended without success, or a dead letter,
-- under the same id. Runs without allow-oom, like accept.
--
-- ARGV[1]  job id              ARGV[2]  dead letter, or ""
-- ARGV[3]  most calls queued and running        ARGV[4]  most bytes of them
-- ARGV[5]  lane     ARGV[6]  envelope           ARGV[7]  rows    ARGV[8]  group
-- ARGV[9]  µs to begin in      ARGV[10] µs to end in
-- ARGV[11] method
--
-- Returns "<state> <µs>" with the time of acceptance, or why not: "unknown",
-- "letter", "full", "closed", or the state of a job that cannot be.
local job, letter, max_calls, max_bytes, lane = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock()
local key = JOB .. job
local was = call("HMGET", key, "state", "size", "attempt")
if letter ~= "" then
	if #call("XRANGE", DEAD, letter, letter) == 0 then return "letter" end
elseif not was[1] then
	return "unknown"
end
if was[1] and (was[1] == "succeeded" or not terminal(was[1])) then return was[1] end
local m = call("HMGET", METER, "bytes", "want", "until", "gate", "c" .. lane, "o" .. lane)
for i = 1, 6 do m[i] = tonumber(m[i] or 0) end
if m[4] == 2 then return "closed" end
local depth = call("XLEN", KEYS[1]) + call("XLEN", KEYS[2]) + call("XLEN", KEYS[3])
if depth >= max_calls or m[1] + #ARGV[6] > max_bytes then return "full" end

local created, start_by, deadline = int(now), int(now + tonumber(ARGV[9])), int(now + tonumber(ARGV[10]))
local id = call("XADD", KEYS[lane], "*", "e", ARGV[6], "m",
	table.concat({ ARGV[7], int(#ARGV[6]), created, start_by, deadline, "", job, ARGV[8] }, " "))
call("ZADD", DUE, start_by, lane .. ":" .. id)
if was[2] then
	call("ZREM", KEPT, was[2] .. ":" .. job)
	call("HINCRBY", METER, "kept", 0 - was[2])
end
if letter ~= "" then
	local e = values(call("XRANGE", DEAD, letter, letter)[1][2]).e
	call("XDEL", DEAD, letter)
	call("HINCRBY", METER, "dead", 0 - #(e or ""))
end
local seq = call("HINCRBY", METER, "a" .. lane, 1)
call("HDEL", key, "finished", "expires", "size", "result", "call", "group", "begin", "timeout", "run_at")
call("HSET", key, "state", "queued", "lane", lane, "asked", lane, "entry", id, "method", ARGV[11], "rows", ARGV[7],
	"created", created, "started", 0, "start_by", start_by, "deadline", deadline, "seq", int(seq),
	"attempt", int((tonumber(was[3] or 0)) + 1))
call("PERSIST", key)
call("ZADD", JOBS, created, job)
if m[5] == 0 then call("HSET", METER, "o" .. lane, created) end
waits(lane, 1, ARGV[7], 0)
call("HINCRBY", METER, "bytes", #ARGV[6])
call("HINCRBY", METER, "arrived", ARGV[7])
call("HINCRBY", METER, "n_accepted", 1)
call("HSET", METER, "newest", created)
if m[4] == 0 then ring() end
return "queued " .. created
