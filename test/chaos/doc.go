// Package chaos holds the chaos suite. It drives built binaries and a real
// redis-server from outside, does them harm, and has package history check what
// came of it. It is run by
//
//	make chaos                    about six minutes
//	make chaos-long DURATION=2h   the same again and again, and the mutants
//
// A run prints its seed. The same seed gives the same calls and the same faults
// in the same order; what happens between them is up to the machine.
package chaos
