#!lua flags=allow-oom
-- Finish delivered calls: end the job, take the entry off its lane. A success
-- counts whoever it comes from; a failure only from the owner, so that a worker
-- that lost its lease cannot end a call that another one runs.
--
-- ARGV[1]  consumer
-- ARGV[2]  retention of an ended job in ms
-- ARGV[3]  how many calls follow, each with
--          lane, entry, "ok", "failed" or "retry" if it failed of what may get
--          better, with a number from 0 to 1 behind it that spreads them, rows, bytes, the caller's share or "",
--          job id or "", result of the job or "", name of its body or "", name of
--          the body that is the result or ""
--
-- Returns for each call 1, 0 if it had ended or is not this worker's to fail, or "no
-- body" if its result is not there: it has not ended then.
local consumer, retention, n = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock()
local m = call("HMGET", METER, "s1", "s2", "s3", "bytes", "n_finished", "n_finished_rows")
for i = 1, 6 do m[i] = tonumber(m[i] or 0) end
local marked = call("EXISTS", CRASHES, CANCELED) > 0
local out, calls, rows, bytes, shares = {}, 0, 0, 0, {}
local kept, kept_bytes = {}, 0
local running, of, waited, bodies = { "ZREM", RUNNING }, { {}, {}, {} }, {}, { "UNLINK" }
for i = 1, n do
	local a = i * 10 - 6
	local lane, id, ok, r, job, result = tonumber(ARGV[a]), ARGV[a + 1], ARGV[a + 2] == "ok", ARGV[a + 3], ARGV[a + 6], ARGV[a + 7]
	local chance = not ok and string.match(ARGV[a + 2], "^retry (.+)$")
	out[i] = 0
	local has = (m[lane] > 0 or not ok) and owner(lane, id)
	local outputs = ARGV[a + 9] ~= "" and ARGV[a + 9] or nil
	if outputs and call("EXISTS", BODY .. outputs) == 0 then
		out[i] = "no body"
	elseif ok or has == consumer then
		if job == "" then
			out[i] = 1 -- if the entry is still there
		else
			local fs = not ok and fetch(lane, id) or nil
			if chance and fs and try_again(job, lane, id, fs, now, result, tonumber(chance)) then
				out[i] = 1
			else
				local size = finish_one(job, lane, id, ok and "succeeded" or "failed", now, retention, fs, result, kept, outputs)
				if size then out[i], kept_bytes = 1, kept_bytes + size end
			end
			running[#running + 1] = lane .. ":" .. id
		end
		if has == RELEASED then
			waits(lane, -1, -r, -1)
			call("ZREM", DUE, lane .. ":" .. id)
			waited[lane] = true
		end
		if marked then
			call("HDEL", CRASHES, lane .. ":" .. id)
			call("SREM", CANCELED, lane .. ":" .. id)
		end
		if ARGV[a + 8] ~= "" then bodies[#bodies + 1] = BODY .. ARGV[a + 8] end
		if outputs then bodies[#bodies + 1] = BODY .. outputs end
		table.insert(of[lane], i)
	end
end

local function ended(i)
	local a = i * 10 - 6
	calls, rows, bytes = calls + 1, rows + ARGV[a + 3], bytes + ARGV[a + 4]
	shares[ARGV[a + 5]] = (shares[ARGV[a + 5]] or 0) + 1
end

-- Takes entries off a lane. If all were pending then all were there, and one
-- command does.
local function take_off(lane, is)
	local ack, del = { "XACK", KEYS[lane], GROUP }, { "XDEL", KEYS[lane] }
	for k, i in ipairs(is) do ack[k + 3], del[k + 2] = ARGV[i * 10 - 5], ARGV[i * 10 - 5] end
	if call(unpack(ack)) == #is then
		call(unpack(del))
		for _, i in ipairs(is) do ended(i) end
		return
	end
	for _, i in ipairs(is) do
		if call("XDEL", KEYS[lane], ARGV[i * 10 - 5]) == 1 then
			ended(i)
		elseif ARGV[i * 10] == "" then
			out[i] = 0
		end
	end
end

for lane = 1, 3 do
	if #of[lane] > 0 then take_off(lane, of[lane]) end
	if waited[lane] then refresh(lane) end
end
if #running > 2 then call(unpack(running)) end
if #bodies > 1 then call(unpack(bodies)) end
keep(kept, kept_bytes)
if calls > 0 then
	give_back(shares)
	call("HSET", METER, "bytes", int(math.max(m[4] - bytes, 0)),
		"n_finished", int(m[5] + calls), "n_finished_rows", int(m[6] + rows))
end
return out
