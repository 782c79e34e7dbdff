#!lua flags=allow-oom
-- Crash: an instance crashed while it ran calls. They wait again, to run alone;
-- one that crashed it too often while it ran alone is given up.
--
-- ARGV[1]  consumer
-- ARGV[2]  retention of an ended job in ms
-- ARGV[3]  how many crashes alone are too many
-- ARGV[4]  how long a runner that crashes in a loop waits at first, in µs
-- ARGV[5]  the result of a job that is given up
-- ARGV[6]  and why that is
-- ARGV[7]  how many calls it ran
-- ARGV[8]  1 for the first of the scripts that tell of them, else 0
-- ARGV[9]  those of this script, each with lane, entry
--
-- Returns the envelopes of those given up.
local consumer, retention, most, ran = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[7])
local now, out, waiting = clock(), {}, false

-- After the fourth crash in a row with nothing finished in between, each within a
-- minute, the runner takes nothing for a while: it is not a call that is to blame.
local function back_off(backoff)
	local m = call("HMGET", METER, "at", "streak", "finished", "n_finished")
	for i = 1, 4 do m[i] = tonumber(m[i] or 0) end
	local streak = now - m[1] < 60000000 and m[3] == m[4] and m[2] + 1 or 1
	local all = streak > 3 and backoff > 0 and now + pause(backoff, streak - 3) or 0
	call("HSET", METER, "streak", int(streak), "finished", int(m[4]), "all", int(all))
end

if ARGV[8] == "1" then
	back_off(tonumber(ARGV[4]))
	note_crash(now)
end
for a = 9, #ARGV, 2 do
	local lane, id = tonumber(ARGV[a]), ARGV[a + 1]
	local fs = owner(lane, id) == consumer and fetch(lane, id)
	if fs and not plain(fs) then
		bury(lane, id, fs, UNSOUND)
	elseif fs then
		local shared, alone, lost = marks(lane .. ":" .. id)
		if ran > 1 then shared = shared + 1 else alone = alone + 1 end
		if alone >= most then
			out[#out + 1] = give_up(lane, id, fs, now, retention, ARGV[5], ARGV[6])
		else
			mark(lane .. ":" .. id, shared, alone, lost, now, tonumber(ARGV[4]))
			waiting = release(lane, id, fs, now, retention) or waiting
		end
	end
end
if waiting then ring() end
return out
