// Package loadtest drives HTTP servers with a load that does not depend on how
// they answer, and reports what came back.
//
// In open loop a [Pacer] says when each request is due and the generator sends
// it then, whatever the earlier ones are doing. Latency is counted from the
// instant a request was due, not from the instant it was sent: a server that
// stalls is charged for everybody who had to wait, so there is no coordinated
// omission. How late the generator itself was is reported beside it; when that
// is not small, the generator was the bottleneck and its figures are not the
// server's.
//
// In closed loop a number of connections send one request after the other. That
// measures what a server can do at most, and nothing about its latency under a
// given load.
//
// A [Scenario], a YAML file, describes a run. Package loadtest/bench uses this
// one to repeat the benchmarks of docs/benchmarks.md.
package loadtest
