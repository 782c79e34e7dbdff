package python

import "log/slog"

// ProblemsOnly is what the log of a class that is described passes on.
func ProblemsOnly(next slog.Handler) slog.Handler { return problemsOnly{next} }
