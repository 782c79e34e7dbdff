// Package e2e tests the built binaries from outside: it starts them as a user
// would, sends requests, kills and pauses them, and looks at what is left in
// Redis.
package e2e
