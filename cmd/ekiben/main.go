// Command ekiben serves models over HTTP: as one process, or as gateways and
// workers around a Redis. It has the runnables that come with Ekiben; to add
// your own, see examples/sentiment.
package main

import "github.com/ekiben/ekiben"

func main() {
	ekiben.Main(ekiben.App{Runnables: ekiben.BuiltIn()})
}
