package onnxruntime

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// DefaultRegistry is npm's.
const DefaultRegistry = "https://registry.npmjs.org"

// Registry is the npm registry that the environment names, as npm itself reads
// it, or else [DefaultRegistry].
func Registry() string {
	for _, name := range []string{"npm_config_registry", "NPM_CONFIG_REGISTRY"} {
		if registry := os.Getenv(name); registry != "" {
			return registry
		}
	}
	return DefaultRegistry
}

// headerTimeout is how long a registry may take to begin to answer.
const headerTimeout = time.Minute

// Download fetches the archive from a registry, through the proxy that
// HTTPS_PROXY, HTTP_PROXY and NO_PROXY name.
func Download(r Release, registry string) Source {
	return func(ctx context.Context) (io.ReadCloser, int64, error) {
		base, err := url.Parse(registry)
		if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" {
			return nil, 0, fmt.Errorf("the npm registry %q is no http or https address", registry)
		}
		from := base.JoinPath(r.Package, "-", fmt.Sprintf("%s-%s.tgz", r.Package, r.Version))
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
		if err != nil {
			return nil, 0, fmt.Errorf("download: %w", err)
		}
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: headerTimeout, DisableKeepAlives: true}
		answer, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			return nil, 0, fmt.Errorf("download: %w", err)
		}
		if answer.StatusCode != http.StatusOK {
			_ = answer.Body.Close()
			return nil, 0, fmt.Errorf("download %s: the registry answered %s", from.Redacted(), strings.TrimSpace(answer.Status))
		}
		return answer.Body, answer.ContentLength, nil
	}
}

// File reads the archive from a file, as `npm pack` writes it.
func File(path string) Source {
	return func(context.Context) (io.ReadCloser, int64, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, 0, fmt.Errorf("open the archive: %w", err)
		}
		info, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return nil, 0, fmt.Errorf("open the archive: %w", err)
		}
		return f, info.Size(), nil
	}
}
