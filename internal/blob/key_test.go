package blob

import (
	"errors"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCheckKey(t *testing.T) {
	for _, key := range []string{
		"a", "video/ab/01j.mp4", "a.b-c_d/e", strings.Repeat("a", MaxSegment), "console/x", "com/x", "a..b",
		strings.Repeat("a", MaxSegment-1) + "/" + strings.Repeat("b", MaxSegment),
	} {
		if err := CheckKey(key); err != nil {
			t.Error(err)
		}
	}
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", ".hidden", "a/.tmp", "a.", "a./b",
		"A", "video/é", "a b", "a\\b", "a\x00", "a\n", "c:/x", "%2e%2e", "~/x", "nul", "a/con.txt", "com1", "lpt9.a.b/x",
		strings.Repeat("a", MaxSegment+1), strings.Repeat("aaaaaaaaa/", MaxKey/10) + "a",
	} {
		if err := CheckKey(key); !errors.Is(err, ErrKey) {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestNewKey(t *testing.T) {
	form := regexp.MustCompile(`^video/[0-9a-f]{2}/[a-z2-7]{26}\.mp4$`)
	seen := map[string]bool{}
	for range 100 {
		key, err := NewKey(KindVideo, "video/mp4")
		if err != nil || !form.MatchString(key) || seen[key] {
			t.Fatalf("%q, %v", key, err)
		}
		seen[key] = true
	}
	for _, tt := range []struct{ kind, id, contentType, want string }{
		{KindImage, "job_1", "image/jpeg", "image/bb/job_1.jpg"},
		{KindImage, "job_1", "image/jpeg; q=1", "image/bb/job_1.jpg"},
		{KindLatents, "job_1", "", "latents/bb/job_1"},
		{KindFile, "job_1", anyType, "file/bb/job_1"},
		{KindFile, "job_1", "text/plain", "file/bb/job_1.txt"},
	} {
		key, err := KeyOf(tt.kind, tt.id, tt.contentType)
		if err != nil || key != tt.want {
			t.Errorf("KeyOf(%q, %q, %q) = %q, %v, want %q", tt.kind, tt.id, tt.contentType, key, err, tt.want)
		}
	}
	for _, bad := range []struct{ kind, id string }{{"Video", "x"}, {"", "x"}, {"video", ""}, {"video", "../x"}, {"a/b", "x"}, {"video", "a/b"}} {
		if _, err := KeyOf(bad.kind, bad.id, ""); !errors.Is(err, ErrKey) {
			t.Errorf("KeyOf(%q, %q): %v", bad.kind, bad.id, err)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, e := range types {
		if got := TypeOf("a/b" + e.ext); got != e.contentType {
			t.Errorf("TypeOf of %s is %q", e.ext, got)
		}
		if ext := ExtOf(e.contentType); e.contentType != anyType && TypeOf("x"+ext) != e.contentType {
			t.Errorf("%s has extension %q", e.contentType, ext)
		}
	}
	if got := TypeOf("a.mp4/b"); got != "" {
		t.Errorf("a folder's extension counts: %q", got)
	}
}

// FuzzKey: an accepted key names a file below the folder on every system, with
// only one spelling.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"video/ab/x.mp4", "../x", "a/./b", "C:\\x", "nul", "a/..", "\xff", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if CheckKey(key) != nil {
			return
		}
		switch {
		case !filepath.IsLocal(filepath.FromSlash(key)), path.Clean(key) != key, strings.ToLower(key) != key,
			strings.ContainsAny(key, "\\:\x00 "), len(key) > MaxKey, checkPrefix(key) != nil:
			t.Errorf("key %q was accepted", key)
		}
		for i := range key {
			if err := checkPrefix(key[:i]); err != nil {
				t.Errorf("%q is a key, and its start no prefix: %v", key, err)
			}
		}
	})
}
