// Package worker serves runners: it cuts batches from their queues, executes
// them, and ends every call with its reply.
//
// A [Worker] has one or more instances of each of its runners. An instance is a
// pipeline of three goroutines, each the only owner of what it works on:
//
//	puller ── load ──► executor ── ending ──► finisher
//	  │ ▲                 │                      │
//	  │ └───── done ──────┘                      │
//	 Cut, Wait                       Finish, Crashed, Release
//
// The puller owns the former and asks the queue; the executor owns the runnable;
// the finisher writes replies while the next batch runs. At most one batch is
// cut ahead, and only while the running one is about to end.
//
// Beside them one goroutine renews the leases on all that the worker holds, about
// every second. What it learns of calls that were canceled, or that others
// execute, is in the claims of the instance, where the executor looks before each
// step.
//
// What it promises:
//
//   - Every call that was cut is ended exactly once, or given back.
//   - No execution of a call starts after its deadline, nor the first one after
//     the time that it was to start within, by the monotonic clock of this process
//     since the cut.
//   - A call that fails takes no other call of its batch with it; nor does one that
//     is canceled, or one that crashes the instance.
//   - A call that is canceled or lost is not executed any more. The method's
//     context ends when that is true of all calls of its batch.
//   - What could not be renewed for most of a lease counts as lost. Its result, if
//     there is one, is sent all the same.
//   - No outage of the queue ends a worker, and none needs it restarted.
//   - When told to stop it takes nothing more, finishes what runs, gives back
//     the rest, and is gone after [Config].DrainTimeout at the latest, apart
//     from a method that does not heed its context.
package worker
