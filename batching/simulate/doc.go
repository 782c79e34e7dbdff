// Package simulate plays a runner's queue and its instances in virtual time and tells what callers would see.
//
// It is a discrete-event simulation around the real [batching.Former]: calls arrive by a seeded random process at a
// model of the queue (the questions, answers and bell of package queue, without Redis), instances ask it, wait for it
// and execute, and a batch takes what a [batching.Cost] says. Every answer is a function of the [Scenario] alone.
package simulate
