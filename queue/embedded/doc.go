// Package embedded starts a Redis for a process that was given none.
//
// [Start] runs miniredis in the process. It needs no other program and keeps
// nothing: it is for trying out and for development. All of queuetest.Suite
// holds there, and it moves in lockstep with the model; what does not hold is
// what a server in one process cannot do:
//
//	promise                                  redis-server      miniredis
//	contract of the queue, leases included   holds             likewise
//	what is accepted survives a crash        with AOF          never
//	memory is bounded by maxmemory           yes               no: by the depth and bytes of each runner only
//	no lease runs out while Redis restarts   yes               there is no restart
//	a key expires on time                    to the ms         within a second
//	script flags (`#!lua`), INFO, CONFIG     yes               no: the loader leaves the first line out
//	calls per second                         1                 about a fifth
//
// [StartServer] runs a redis-server as a child, with an append-only file in a
// directory of the caller's. What was accepted survives a crash of either
// process.
package embedded
