#!lua flags=allow-oom
-- Gate: say what the queue lets through.
--
-- ARGV[1]  0: all, 1: nothing goes out, 2: nothing comes in
--
-- Returns nothing of use.
call("HSET", METER, "gate", ARGV[1], "want", 1, "until", 0)
if ARGV[1] ~= "1" and call("XLEN", KEYS[1]) + call("XLEN", KEYS[2]) + call("XLEN", KEYS[3]) > 0 then ring() end
return 1
