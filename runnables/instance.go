package runnables

import "context"

// Instance is a Runnable made of methods; see [New].
type Instance struct {
	methods []Method

	// OnWarmup, if set, prepares the instance before its first call.
	OnWarmup func(ctx context.Context) error

	// OnClose, if set, frees what the instance holds.
	OnClose func() error
}

// New makes an instance from its methods, as [Batch], [Single] and their
// siblings make them. It fails with everything that [Validate] finds. OnWarmup
// and OnClose may be set before the instance is handed on.
func New(methods ...Method) (*Instance, error) {
	if err := validateMethods(methods); err != nil {
		return nil, err
	}
	return &Instance{methods: methods}, nil
}

// Methods are the methods given to New. The caller must not change them.
func (i *Instance) Methods() []Method { return i.methods }

// Warmup calls OnWarmup.
func (i *Instance) Warmup(ctx context.Context) error {
	if i.OnWarmup == nil {
		return nil
	}
	return i.OnWarmup(ctx)
}

// Close calls OnClose.
func (i *Instance) Close() error {
	if i.OnClose == nil {
		return nil
	}
	return i.OnClose()
}
