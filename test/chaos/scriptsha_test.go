package chaos_test

import (
	"crypto/sha1"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scriptSHA is what Redis calls a script of the queue, as package queue puts it
// together. The test fails if the cluster's Redis does not know it.
func (c *cluster) scriptSHA(name string) string {
	c.t.Helper()
	source := readScript(c.t, name)
	first, body, _ := strings.Cut(source, "\n")
	lib := ""
	if name != "reply" && name != "read" {
		lib = readScript(c.t, "lib")
	}
	sum := sha1.Sum([]byte(first + "\n" + lib + body))
	sha := hex.EncodeToString(sum[:])
	// Without keys a script fails, but only one that is known gets so far.
	if _, err := c.redis.Do("EVALSHA", sha, "0"); err == nil || strings.Contains(err.Error(), "NOSCRIPT") {
		c.t.Fatalf("Redis does not know script %s as %s: %v", name, sha, err)
	}
	return sha
}

func readScript(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "queue", "scripts", name+".lua"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
