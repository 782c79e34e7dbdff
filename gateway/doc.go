// Package gateway is the HTTP face of Ekiben. It takes run calls in, checks them
// against what their runner published, queues them, and answers with the reply
// or with the job that the client comes back for.
//
// What it promises:
//
//   - Input that does not fit the method is refused before anything is queued.
//   - Whatever goes wrong, the client gets an application/problem+json with a
//     code from one closed list, [Code], and Retry-After where trying again will
//     help. Errors that are not on the list say "internal" and nothing else.
//   - Bodies, requests in flight and their bytes are bounded, and so is the time
//     that a body may take to arrive.
//   - A client that goes away takes its queued call with it.
//
// It needs no list of runners: their specs come from the queue.
package gateway
