// Package worker serves runners: it cuts batches from their queues, executes
// them, and ends every call with its reply.
//
// A [Worker] has one or more instances of each of its runners. An instance is a
// pipeline of three goroutines, each the only owner of what it works on:
//
//	puller ── load ──► executor ── ending ──► finisher
//	  │ ▲                 │                      │
//	  │ └───── done ──────┴──────────────────────┤
//	 Cut, Wait                           Finish, Release
//
// The puller owns the former and asks the queue; the executor owns the runnable;
// the finisher writes replies while the next batch runs. At most one batch is
// cut ahead, and only while the running one is about to end.
//
// What it promises:
//
//   - Every call that was cut is ended exactly once, or given back.
//   - No execution of a call starts after its deadline, by the monotonic clock of
//     this process since the cut.
//   - A call that fails takes no other call of its batch with it.
//   - No outage of the queue ends a worker, and none needs it restarted.
//   - When told to stop it takes nothing more, finishes what runs, gives back
//     the rest, and is gone after [Config].DrainTimeout at the latest, apart
//     from a method that does not heed its context.
package worker
