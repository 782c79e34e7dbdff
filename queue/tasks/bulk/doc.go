// Package bulk runs batches: files of JSON lines, one call a line.
//
// A [Desk] takes files and batches in and hands outcomes out; gateways have one.
// An [Engine] runs the batches; any number of processes may have one, and each
// batch is run by one of them at a time, under a lease in Redis.
//
// What it promises: every line ends in the results or the errors of its batch, in
// the order of the input, once. A line's call is a job whose id follows from the
// batch and the line, so whoever takes a batch over meets the jobs that are there
// already and runs no finished line again, as long as the records of jobs are
// kept (queue.Config.Retention). Outcomes are stored at the latest a minute after all
// lines before theirs have ended, so that only those of the last minute, and those in
// the window behind a line that takes long, depend on that. Memory is bounded by the window, not by the
// file.
package bulk
