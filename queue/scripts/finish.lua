#!lua flags=allow-oom
-- Finish delivered calls: end the job, take the entry off its lane. A success
-- counts whoever it comes from; a failure only from the owner, so that a worker
-- that lost its lease cannot end a call that another one runs.
--
-- ARGV[1]  consumer
-- ARGV[2]  retention of an ended job in ms
-- ARGV[3]  how many calls follow, each with
--          lane, entry, "ok" or "failed", rows, bytes, job id or "", result of the job or ""
--
-- Returns for each call 1, or 0 if it had ended or is not this worker's to fail.
local consumer, retention, n = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock()
local out, calls, rows, bytes = {}, 0, 0, 0
local crashes = call("EXISTS", CRASHES) == 1
local due = {}
local lost = {}
for lane = 1, 3 do lost[lane] = tonumber(call("HGET", METER, "s" .. lane) or 0) > 0 end
for i = 0, n - 1 do
	local a = 3 + i * 7
	local lane, id, ok, r, b, job, result =
		tonumber(ARGV[a + 1]), ARGV[a + 2], ARGV[a + 3] == "ok", ARGV[a + 4], ARGV[a + 5], ARGV[a + 6], ARGV[a + 7]
	local has = (lost[lane] or not ok) and owner(lane, id)
	if ok or has == consumer then
		local ended = true
		if job ~= "" then ended = finish(job, ok and "succeeded" or "failed", now, retention, "result", result) end
		if has == RELEASED then waits(lane, -1, -r, -1) end
		call("XACK", KEYS[lane], GROUP, id)
		if call("XDEL", KEYS[lane], id) == 1 then
			calls, rows, bytes = calls + 1, rows + r, bytes + b
		elseif job == "" then
			ended = false
		end
		due[#due + 1] = lane .. ":" .. id
		if crashes then call("HDEL", CRASHES, id) end
		out[i + 1] = ended and 1 or 0
	else
		out[i + 1] = 0
	end
end
if #due > 0 then call("ZREM", DUE, unpack(due)) end
if calls > 0 then
	call("HINCRBY", METER, "bytes", int(-bytes))
	call("HINCRBY", METER, "n_finished", calls)
	call("HINCRBY", METER, "n_finished_rows", int(rows))
end
return out
