// Package queue carries calls from gateways to workers and replies back. It is
// the only package that talks to Redis, and all that Redis holds is defined
// here: the keys in keys.go, the entries in envelope.go and reply.go, the steps
// that must be atomic in scripts/.
//
// A gateway has a [Producer], an instance of a runnable has a [Consumer].
//
// What it promises, as long as Redis keeps its data:
//
//   - An accepted job reaches exactly one terminal state. An awaited call has no
//     record but its entry; it is answered at most once.
//   - A call is executed at least once and seen to end at most once. A worker
//     that dies or loses its lease gives its calls to others.
//   - No execution starts after the call's deadline.
//   - Depth and bytes are bounded by the script that accepts.
//
// There is one clock, that of Redis. Ages, deadlines and leases are differences
// of its TIME; the clocks of hosts are never compared with it.
package queue
