// Package process runs instances of runnables in processes of their own: a
// Python interpreter, or the worker's own binary once more. PROTOCOL.md, beside
// this file, says how the two ends talk.
//
// [Start] is the worker's end. It gives a [runnables.Runnable] whose process is
// watched: one that dies, hangs or breaks the protocol fails the call that ran,
// and is replaced at once, while the worker lives on. A process never outlives
// its worker, nor does what it has started in its group where there is a warden; see
// [KeepWarden]. Large tensors go through shared memory: those that come in are
// concatenated straight into it, those that go out are read where they lie until
// their Release.
//
// [Serve] is the other end, for kinds that are written in Go, and [Isolate] makes
// one kind of another whose instances are such processes.
package process
