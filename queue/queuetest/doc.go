// Package queuetest holds the contract of the queue as tests, and a model that
// keeps it.
//
// [Suite] is what every back end must pass: a real Redis, the embedded one, and
// the [Model]. [Model] is the whole queue in memory with the same methods. It has
// no server, so tests that use it may run in virtual time (testing/synctest), and
// it is the oracle that random tests hold the scripts against.
package queuetest
