#!lua flags=allow-oom
-- Cancel: take a call off the queue that nobody wants any more.
--
-- ARGV[1]  job id, or "" for an awaited call, which is named by
-- ARGV[2]  lane      ARGV[3]  entry
-- ARGV[4]  retention of an ended job in ms
--
-- Returns "removed" if it waited and will not run, "running" if it is in
-- flight (its result will be dropped, and its worker learns of it), "gone" if it
-- has ended.
local job, lane, id, retention = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
if job ~= "" then
	local rec = call("HMGET", JOB .. job, "lane", "entry")
	if not rec[1] then return "gone" end
	lane, id = tonumber(rec[1]), rec[2]
end
if job ~= "" and id == "" then
	local kept = call("HMGET", JOB .. job, "call", "body", "attempt")
	local now = clock()
	if not finish(job, lane, id, "canceled", now, retention) then return "gone" end
	local near = take_from_later(job, #(kept[1] or "") + (kept[2] or 0))
	local errand = ":" .. int(kept[3] or 0) .. ":" .. job
	if not near and call("ZREM", ERRANDS, "later" .. errand) == 0 then
		call("ZADD", ERRANDS, int(now), "never" .. errand)
	end
	call("HINCRBY", METER, "n_canceled", 1)
	return "removed"
end
local fs = fetch(lane, id)
if job ~= "" then
	if not finish(job, lane, id, "canceled", clock(), retention, fs) then return "gone" end
	call("HINCRBY", METER, "n_canceled", 1)
end
if not fs then return "gone" end
local who = owner(lane, id)
if who and who ~= RELEASED then
	call("SADD", CANCELED, lane .. ":" .. id)
	return "running"
end
local r, b, t, _, _, c = plain(fs)
withdraw(lane, id, who, r or 1, b or 0, c or "", fs[6])
refresh(lane, tonumber(t or 0))
if job == "" then call("HINCRBY", METER, "n_canceled", 1) end
return "removed"
