package onnxruntime_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/onnxruntime"
)

// put makes a file.
func put(t *testing.T, elements ...string) string {
	t.Helper()
	path := filepath.Join(elements...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("code"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheVariableWinsOverWhatIsInstalled(t *testing.T) {
	data, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	t.Setenv(onnxruntime.Variable, "")
	release := onnxruntime.Pinned()
	installed := put(t, data, "ekiben", "runtime", "onnx", release.Version, "libonnxruntime.so.1")
	if found, err := onnxruntime.Find(release); err != nil || found.Path != installed || found.Source != "installed" {
		t.Errorf("found %+v, %v; want %s", found, err, installed)
	}

	named := put(t, elsewhere, "libonnxruntime.so.1")
	for _, value := range []string{named, elsewhere} {
		t.Setenv(onnxruntime.Variable, value)
		found, err := onnxruntime.Find(release)
		if err != nil || found.Path != named || found.Source != onnxruntime.Variable || found.HasCUDA() {
			t.Errorf("%s finds %+v with CUDA %v, %v; want %s without", value, found, found.HasCUDA(), err, named)
		}
	}
	put(t, elsewhere, "libonnxruntime_providers_cuda.so")
	if found, err := onnxruntime.Find(release); err != nil || !found.HasCUDA() {
		t.Errorf("CUDA beside %+v is not seen, %v", found, err)
	}
}

func TestARelativeFolderForDataIsIgnored(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, data := range []string{"", "relative"} {
		t.Setenv("XDG_DATA_HOME", data)
		want := filepath.Join(home, ".local", "share", "ekiben", "runtime", "onnx", "1.2.3")
		if dir, err := onnxruntime.Dir(onnxruntime.Release{Version: "1.2.3"}); err != nil || dir != want {
			t.Errorf("%q: %s, %v; want %s", data, dir, err, want)
		}
	}
}

func TestCUDAIsSeenThroughALink(t *testing.T) {
	dir, its := t.TempDir(), t.TempDir()
	library := put(t, its, "libonnxruntime.so.1")
	link := filepath.Join(dir, "libonnxruntime.so")
	if err := os.Symlink(library, link); err != nil {
		t.Fatal(err)
	}
	t.Setenv(onnxruntime.Variable, link)
	found, err := onnxruntime.Find(onnxruntime.Pinned())
	if err != nil || found.Path != link || found.HasCUDA() {
		t.Errorf("found %+v with CUDA %v, %v", found, found.HasCUDA(), err)
	}
	put(t, its, "libonnxruntime_providers_cuda.so")
	if !found.HasCUDA() {
		t.Error("what lies beside the library itself is not seen")
	}
}

func TestAMissingLibraryIsAnErrorThatNamesTheCommand(t *testing.T) {
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	t.Setenv(onnxruntime.Variable, filepath.Join(data, "nowhere.so"))
	_, err := onnxruntime.Find(onnxruntime.Pinned())
	if !errors.Is(err, onnxruntime.ErrMissing) || !strings.Contains(err.Error(), onnxruntime.Command) || !strings.Contains(err.Error(), "nowhere.so") {
		t.Errorf("%v", err)
	}
	t.Setenv(onnxruntime.Variable, "")
	_, err = onnxruntime.Find(onnxruntime.Pinned())
	if err == nil {
		t.Skip("this machine has the library in a place of the system")
	}
	if !errors.Is(err, onnxruntime.ErrMissing) || !strings.Contains(err.Error(), onnxruntime.Command) || !strings.Contains(err.Error(), data) {
		t.Errorf("%v", err)
	}
}

func TestAFolderWithoutALibraryIsNoFileThatIsMissing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(onnxruntime.Variable, dir)
	_, err := onnxruntime.Find(onnxruntime.Pinned())
	if !errors.Is(err, onnxruntime.ErrMissing) || !strings.Contains(err.Error(), "is the folder "+dir) || !strings.Contains(err.Error(), onnxruntime.Command) {
		t.Errorf("%v", err)
	}
}

// The library for tests is installed, and checked before others are made of it.
func TestADamagedLibraryIsToldBeforeItIsLoaded(t *testing.T) {
	release := onnxruntime.Pinned()
	whole, err := onnxruntime.Find(release)
	if err != nil {
		t.Skip(err)
	}
	if err := whole.Intact(release); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(whole.Path)
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	installed := put(t, data, "ekiben", "runtime", "onnx", release.Version, filepath.Base(whole.Path))
	flipped := bytes.Clone(code)
	flipped[len(flipped)/2] ^= 1
	for what, c := range map[string]struct {
		code          []byte
		whole, intact bool
	}{
		"nothing":           {nil, false, false},
		"half of it":        {code[:len(code)/2], false, false},
		"without its end":   {code[:len(code)-1], false, false},
		"with another byte": {flipped, true, whole.Source != "installed"},
	} {
		if err := os.WriteFile(installed, c.code, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, variable := range []string{"", installed} {
			t.Setenv(onnxruntime.Variable, variable)
			found, err := onnxruntime.Find(release)
			if err != nil {
				t.Fatal(err)
			}
			for of, check := range map[string]struct {
				err  error
				want bool
			}{"whole": {found.Whole(release), c.whole}, "intact": {found.Intact(release), c.intact || c.whole && variable != ""}} {
				if (check.err == nil) != check.want || check.err != nil && (!errors.Is(check.err, onnxruntime.ErrDamaged) || !strings.Contains(check.err.Error(), onnxruntime.Command)) {
					t.Errorf("%s (%s) is %s: %v, want %v", what, found.Source, of, check.err, check.want)
				}
			}
		}
	}
}

func TestTheRegistryIsTheOneThatNPMWouldAsk(t *testing.T) {
	t.Setenv("npm_config_registry", "")
	t.Setenv("NPM_CONFIG_REGISTRY", "")
	if got := onnxruntime.Registry(); got != onnxruntime.DefaultRegistry {
		t.Errorf("without variables: %s", got)
	}
	t.Setenv("NPM_CONFIG_REGISTRY", "https://upper.example")
	if got := onnxruntime.Registry(); got != "https://upper.example" {
		t.Errorf("NPM_CONFIG_REGISTRY gives %s", got)
	}
	t.Setenv("npm_config_registry", "https://lower.example")
	if got := onnxruntime.Registry(); got != "https://lower.example" {
		t.Errorf("npm_config_registry gives %s", got)
	}
}

func TestThePinnedReleaseHasADigestAndTheCommonPlatforms(t *testing.T) {
	t.Parallel()
	r := onnxruntime.Pinned()
	if !strings.HasPrefix(r.Integrity, "sha512-") || r.Size == 0 {
		t.Errorf("%+v", r)
	}
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		if l := r.Libraries[p]; !strings.HasPrefix(l.Entry, "package/") || l.Size == 0 || len(l.SHA256) != 64 {
			t.Errorf("the library for %s is %+v", p, l)
		}
	}
}
