// Package batching decides when calls that wait together become a batch.
//
// Everything in it is a pure state machine: nothing here reads a clock, sleeps, takes a lock, starts a goroutine or
// talks to anybody. The calls stay in the queue. A [Former] belongs to one instance of a runnable and only says what
// that instance should ask the queue for, and when:
//
//	instance free ──► Ask ──► queue ──► a batch ──► Took, execute, Executed ──► instance free
//	                   ▲        └─────► Facts ───► Decide ──► ask at once, or wait for the bell and then ask ─┐
//	                   └─────────────────────────────────────────────────────────────────────────────────────┘
//
// What the package promises, whatever the facts are:
//
//   - An ask never wants more rows than [Limits] allow, and takes a prefix in the order of arrival.
//   - No call is kept waiting for company longer than Limits.Wait from its accept, nor so long that its deadline could
//     not be met any more, while an instance is free; waking that instance and asking come on top.
//   - No wait is longer than [MaxIdle], so a lost bell delays and never stalls.
//   - Time is the queue's clock alone, and a clock or counter that restarts does no harm.
//
// docs/batching.md derives the rules and shows what they do; batching/simulate repeats its figures.
package batching
