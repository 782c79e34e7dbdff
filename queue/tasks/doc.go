// Package tasks does what has time: it tells webhooks that jobs have ended, and
// brings back jobs whose time is far ahead. It is the only user of asynq.
//
// Asynq is a timer here and never the truth. What is to be done is written by the
// scripts of package queue, in the step that makes it necessary, as an errand; the
// outbox hands errands to asynq, which calls the handlers at their time and again
// until they return nil. Asynq may lose a task's end and run it again about 90
// seconds later, and so may a crash at any step: handlers look at the record first
// and do nothing that is done. Any number of processes may run a [Server].
package tasks
