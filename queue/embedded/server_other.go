//go:build !unix

package embedded

import (
	"context"
	"errors"
)

// Errors of StartServer.
var (
	ErrInUse    = errors.New("another server uses the directory")
	ErrNoServer = errors.New("redis-server does not run on this system: name a running server")
)

// Server is a redis-server that runs as a child of this process. There is none
// on this system.
type Server struct{}

// StartServer returns ErrNoServer.
func StartServer(context.Context, string) (*Server, error) { return nil, ErrNoServer }

// URL is "".
func (s *Server) URL() string { return "" }

// PID is 0.
func (s *Server) PID() int { return 0 }

// Done is never closed.
func (s *Server) Done() <-chan struct{} { return nil }

// Close does nothing.
func (s *Server) Close() error { return nil }
