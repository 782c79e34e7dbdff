// Package placement decides, before anything starts, how many instances each
// runner has in a worker process, on which devices, and with how many threads. It
// is pure: it is told of the runners and of the machine, and answers with a
// [Layout] that says why.
//
// A [Strategy] places one runner. [Default] looks at what the runnable can use and
// at what the runner asks for; binaries may have others, by name, for other
// hardware or other wishes. [Make] places all runners of a process, and spreads
// them over the devices.
package placement
