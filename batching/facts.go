package batching

import "time"

// Facts are what the queue answers instead of a batch: the state of everything that waits, at one instant of the
// queue's own clock.
type Facts struct {
	// Now is the queue's clock. Its origin is arbitrary, and it is never the worker's clock.
	Now time.Duration

	// Rows and Calls are what waits.
	Rows  int
	Calls int

	// Oldest and Newest are how long the oldest and the newest of the waiting calls have waited since their accept.
	// Both are meaningless when Calls is 0.
	Oldest time.Duration
	Newest time.Duration

	// Left is the time until the nearest deadline among those waiting. 0 means that none is known; below 0 it is past.
	Left time.Duration

	// Arrived counts the rows accepted so far. It may restart at 0.
	Arrived int64
}

// Ask is a question to the queue: take at most Rows rows, a prefix in the order of arrival and at least one call, if at
// least Enough rows wait or the oldest call has waited Age; otherwise answer the facts.
type Ask struct {
	Rows   int
	Enough int
	Age    time.Duration
}

// Decision is what a free instance does after facts.
type Decision struct {
	// Wait is 0 to ask at once, else the longest to wait for the bell before asking. At most [MaxIdle].
	Wait time.Duration

	// Ask is what to ask then.
	Ask Ask
}

// Cut is a batch that the queue gave.
type Cut struct {
	// Facts are the state just before the batch was taken out. Rows and Calls of the batch itself hide those of the
	// facts: write c.Facts.Rows for what waited.
	Facts

	// Rows and Calls are the size of the batch.
	Rows  int
	Calls int

	// More is whether rows are left waiting behind it.
	More bool

	// Asked is the question that the batch answers.
	Asked Ask
}
