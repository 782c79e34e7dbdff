package onnxruntime_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/onnxruntime"
)

const (
	platform = "linux/amd64"
	entry    = "package/bin/linux/x64/libonnxruntime.so.1"
	name     = "libonnxruntime.so.1"
)

// file is one of an archive.
type file struct {
	name, text string
	link       bool
}

// packed is a gzipped tar.
func packed(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.text)), Typeflag: tar.TypeReg}
		if f.link {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, f.text, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if !f.link {
			if _, err := io.WriteString(w, f.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func integrity(archive []byte) string {
	sum := sha512.Sum512(archive)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// library is one whose file holds a text.
func library(text string) onnxruntime.Library {
	sum := sha256.Sum256([]byte(text))
	return onnxruntime.Library{Entry: entry, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
}

// registry answers with an archive, and install is what installs it.
type registry struct {
	*httptest.Server
	install onnxruntime.Install
	asked   int
}

func serve(t *testing.T, archive []byte, answer func(w http.ResponseWriter, archive []byte)) *registry {
	t.Helper()
	r := &registry{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked++
		if req.URL.Path != "/npm/onnxruntime-node/-/onnxruntime-node-9.9.9.tgz" {
			http.NotFound(w, req)
			return
		}
		answer(w, archive)
	}))
	t.Cleanup(r.Close)
	release := onnxruntime.Release{
		Version: "9.9.9", Package: "onnxruntime-node", Integrity: integrity(archive), Size: int64(len(archive)),
		Libraries: map[string]onnxruntime.Library{platform: library("code")},
	}
	r.install = onnxruntime.Install{
		Release: release, Platform: platform, Dir: filepath.Join(t.TempDir(), "to", "here"),
		From: onnxruntime.Download(release, r.URL+"/npm/"),
	}
	return r
}

func whole(w http.ResponseWriter, archive []byte) { _, _ = w.Write(archive) }

// left are the files in a folder.
func left(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTheLibraryIsInstalledOnce(t *testing.T) {
	t.Parallel()
	r := serve(t, packed(t, file{name: "package/package.json", text: "{}"}, file{name: entry, text: "code"}, file{name: "package/z", text: "z"}), whole)
	var done, total int64
	r.install.Progress = func(d, n int64) { done, total = d, n }
	path, fresh, err := r.install.Run(t.Context())
	if err != nil || !fresh {
		t.Fatalf("fresh %v, %v", fresh, err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "code" {
		t.Errorf("%s holds %q, %v", path, text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%s is %v, %v; want one that everybody can load", path, info.Mode(), err)
	}
	if names := left(t, r.install.Dir); len(names) != 1 || names[0] != name {
		t.Errorf("the folder has %v, want %s alone", names, name)
	}
	if done != r.install.Release.Size || total != done {
		t.Errorf("progress ended at %d of %d, want %d", done, total, r.install.Release.Size)
	}
	again, fresh, err := r.install.Run(t.Context())
	if err != nil || fresh || again != path || r.asked != 1 {
		t.Errorf("the second time: %s, fresh %v, %v, registry asked %d times; want nothing done", again, fresh, err, r.asked)
	}
}

func TestADamagedLibraryIsInstalledAgain(t *testing.T) {
	t.Parallel()
	r := serve(t, packed(t, file{name: entry, text: "code"}), whole)
	path, _, err := r.install.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{"", "cod", "c0de", "code!"} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		again, fresh, err := r.install.Run(t.Context())
		if err != nil || !fresh || again != path {
			t.Errorf("over %q: %s, fresh %v, %v", damaged, again, fresh, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "code" {
			t.Errorf("over %q: it holds %q, %v", damaged, text, err)
		}
	}
}

func TestAnArchiveWhoseLengthIsNotToldIsAsLongAsThePinnedOne(t *testing.T) {
	t.Parallel()
	r := serve(t, packed(t, file{name: entry, text: "code"}), func(w http.ResponseWriter, a []byte) {
		_ = http.NewResponseController(w).Flush() // so that it comes in pieces
		_, _ = w.Write(a)
	})
	var total int64
	r.install.Progress = func(_, n int64) { total = n }
	if _, _, err := r.install.Run(t.Context()); err != nil || total != r.install.Release.Size {
		t.Errorf("progress is of %d bytes, want %d, %v", total, r.install.Release.Size, err)
	}
}

// It is the pinned one all the same, so that its digest is right.
func TestAnArchiveThatCannotBeUnpackedLeavesNothing(t *testing.T) {
	t.Parallel()
	archive := packed(t, file{name: entry, text: strings.Repeat("code", 100_000)})
	for _, size := range []int{0, 12, len(archive) / 2} {
		r := serve(t, archive[:size], whole)
		if _, _, err := r.install.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "unpack onnxruntime-node 9.9.9") {
			t.Errorf("%d bytes of %d: %v", size, len(archive), err)
		}
		if names := left(t, r.install.Dir); len(names) > 0 {
			t.Errorf("%d bytes of %d leave %v", size, len(archive), names)
		}
	}
}

func TestAnArchiveFromAFileIsCheckedToo(t *testing.T) {
	t.Parallel()
	archive := packed(t, file{name: entry, text: "code"})
	r := serve(t, archive, whole)
	path := filepath.Join(t.TempDir(), "a.tgz")
	if err := os.WriteFile(path, archive[:len(archive)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	r.install.From = onnxruntime.File(path)
	if _, _, err := r.install.Run(t.Context()); !errors.Is(err, onnxruntime.ErrDigest) {
		t.Errorf("an archive without its last byte: %v", err)
	}
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, fresh, err := r.install.Run(t.Context()); err != nil || !fresh || r.asked != 0 {
		t.Errorf("fresh %v, %v, registry asked %d times", fresh, err, r.asked)
	}
}

func TestAnArchiveThatIsNotThePinnedOneIsNotUnpacked(t *testing.T) {
	t.Parallel()
	good := packed(t, file{name: entry, text: "code"})
	evil := packed(t, file{name: entry, text: "evil"})
	for what, answer := range map[string]func(http.ResponseWriter, []byte){
		"another archive": func(w http.ResponseWriter, _ []byte) { _, _ = w.Write(evil) },
		"a longer one":    func(w http.ResponseWriter, a []byte) { _, _ = w.Write(append(bytes.Clone(a), 0)) },
		"half of it":      func(w http.ResponseWriter, a []byte) { _, _ = w.Write(a[:len(a)/2]) },
		"nothing":         func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusOK) },
	} {
		r := serve(t, good, answer)
		if _, _, err := r.install.Run(t.Context()); !errors.Is(err, onnxruntime.ErrDigest) {
			t.Errorf("%s: %v, want ErrDigest", what, err)
		}
		if names := left(t, r.install.Dir); len(names) > 0 {
			t.Errorf("%s leaves %v", what, names)
		}
	}
}

func TestADownloadThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	r := serve(t, packed(t, file{name: entry, text: strings.Repeat("code", 1000)}), func(w http.ResponseWriter, a []byte) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(a)
	})
	_, _, err := r.install.Run(t.Context())
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v, want that the end came too early", err)
	}
	if names := left(t, r.install.Dir); len(names) > 0 {
		t.Errorf("it leaves %v", names)
	}
}

func TestAnInterruptedDownloadLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	r := serve(t, packed(t, file{name: entry, text: "code"}), func(w http.ResponseWriter, a []byte) {
		_, _ = w.Write(a[:len(a)/2])
		_ = http.NewResponseController(w).Flush()
		<-ctx.Done()
	})
	r.install.Progress = func(int64, int64) { interrupt() }
	if _, _, err := r.install.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was canceled", err)
	}
	if names := left(t, r.install.Dir); len(names) > 0 {
		t.Errorf("it leaves %v", names)
	}
}

func TestNamesWithinAnArchiveDoNotMatter(t *testing.T) {
	t.Parallel()
	r := serve(t, packed(t,
		file{name: "../../escaped", text: "evil"},
		file{name: "/tmp/ekiben-escaped", text: "evil"},
		file{name: "package/bin/linux/x64/../../../../escaped", text: "evil"},
		file{name: "here", text: "/etc", link: true},
		file{name: entry, text: "code"}), whole)
	if _, _, err := r.install.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := left(t, r.install.Dir); len(names) != 1 {
		t.Errorf("the folder has %v", names)
	}
	top := filepath.Dir(filepath.Dir(r.install.Dir))
	if names := left(t, top); len(names) != 1 || names[0] != "to" {
		t.Errorf("%s has %v, want nothing new", top, names)
	}
	if _, err := os.Stat("/tmp/ekiben-escaped"); err == nil {
		t.Error("an absolute name was followed")
	}
}

func TestALibraryThatIsALinkOrMissingIsNotInstalled(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]file{
		"no regular file": {name: entry, text: "/etc/passwd", link: true},
		"has no file":     {name: "package/other", text: "code"},
	} {
		r := serve(t, packed(t, f), whole)
		if _, _, err := r.install.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if names := left(t, r.install.Dir); len(names) > 0 {
			t.Errorf("it leaves %v", names)
		}
	}
}

func TestWhatCannotBeInstalledIsSaid(t *testing.T) {
	t.Parallel()
	r := serve(t, packed(t, file{name: entry, text: "code"}), whole)
	for want, change := range map[string]func(*onnxruntime.Install){
		"no library for plan9/mips": func(i *onnxruntime.Install) { i.Platform = "plan9/mips" },
		"404":                       func(i *onnxruntime.Install) { i.From = onnxruntime.Download(i.Release, r.URL) },
		"no http or https address":  func(i *onnxruntime.Install) { i.From = onnxruntime.Download(i.Release, "registry") },
		"no such file":              func(i *onnxruntime.Install) { i.From = onnxruntime.File("nowhere.tgz") },
		"is no digest":              func(i *onnxruntime.Install) { i.Release.Integrity = "sha1-abc" },
	} {
		install := r.install
		change(&install)
		if _, _, err := install.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A registry that needs a password must not have it told to everybody.
func TestThePasswordOfARegistryIsNotShown(t *testing.T) {
	t.Parallel()
	r := serve(t, packed(t, file{name: entry, text: "code"}), whole)
	secret := strings.Replace(r.URL, "http://", "http://me:secret@", 1)
	r.install.From = onnxruntime.Download(r.install.Release, secret)
	if _, _, err := r.install.Run(t.Context()); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
