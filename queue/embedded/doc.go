// Package embedded starts a Redis for a process that was given none.
//
// [Start] runs miniredis in the process. It needs no other program and keeps
// nothing: it is for trying out and for development. Package queuetest says
// which part of the queue's contract does not hold there.
//
// [StartServer] runs a redis-server as a child, with an append-only file in a
// directory of the caller's. What was accepted survives a crash of either
// process.
package embedded
