// Package bench repeats the benchmarks of docs/benchmarks.md: it starts a
// redis-server with an append-only file, gateways and workers as processes of
// their own on free ports of the loopback interface, sends the loads of package
// loadtest, and makes a table of what it measured.
//
// Everything is measured as a ratio within one run, in alternating rounds of
// which the median counts: the load generator, Redis and the servers share the
// processors, and no two machines or minutes are alike. Every process that is
// started is ended, by its process id.
package bench
