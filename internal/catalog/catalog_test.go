package catalog

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBuiltin: the list inside the program holds together.
func TestBuiltin(t *testing.T) {
	c := Builtin()
	if len(c.Entries) < 7 {
		t.Fatalf("there are %d models", len(c.Entries))
	}
	talk := 0
	for _, e := range c.Entries {
		if e.Engine == "lm" {
			talk++
			// A weight has half a byte at least, and two at most.
			if n, exact := e.Size(); !exact || n < e.Chat.Parameters/2 || n > 2*e.Chat.Parameters+10e6 || e.Memory < n || e.Chat.Context < 8192 || e.Video != (Video{}) || e.Work != (Work{}) {
				t.Errorf("%s: %+v", e.Name, e)
			}
			continue
		}
		if len(c.Engines[e.Engine].Pipelines) == 0 {
			t.Errorf("%s: the engine %s runs no pipeline", e.Name, e.Engine)
		}
		v, w := e.Video, e.Work
		if v.Width%16 != 0 || v.Height%16 != 0 || v.Frames%4 != 1 || v.Seconds() < 4 || v.Seconds() > 6 {
			t.Errorf("%s: its video is %+v", e.Name, v)
		}
		// A token is 16×16 pixels of four frames, or 32×32 in Wan 2.2 5B.
		latents := (v.Frames-1)/4 + 1
		if small, large := latents*(v.Width/16)*(v.Height/16), latents*(v.Width/32)*(v.Height/32); w.Tokens != small && w.Tokens != large {
			t.Errorf("%s: a video of %+v has %d or %d tokens, not %d", e.Name, v, small, large, w.Tokens)
		}
		into := 0
		for _, part := range e.Components {
			if part.Into != "" {
				into++
			}
			for path := range part.Digests {
				if !slices.ContainsFunc(part.Files, func(p string) bool { return Match(p, path) }) {
					t.Errorf("%s: %s has a digest and is not fetched", e.Name, path)
				}
			}
		}
		if into != 1 || len(e.Licences()) != 2 {
			t.Errorf("%s has %d tiny decoders and the licences %v", e.Name, into, e.Licences())
		}
	}
	if talk < 6 {
		t.Errorf("there are %d language models", talk)
	}
	fast, ok := c.Find("fastwan-1.3b")
	if !ok || fast.Name != "fastwan" {
		t.Fatalf("an alias finds %q", fast.Name)
	}
	// Three passes of 1.3·10⁹ parameters over 32760 tokens: 2·1.3e9·32760 for the
	// products, 4·32760²·1536·30 for the attention of each.
	if got := fast.Work.Operations() / 1e15; math.Abs(got-0.849) > 0.001 {
		t.Errorf("the work of fastwan is %.3f PFLOP", got)
	}
	fast.Components[0].Size = 0
	if n, exact := fast.Size(); exact || n != 11383329148 {
		t.Errorf("the size of a fastwan of which a part is not known is %d, exact %v", n, exact)
	}
	wan, _ := c.Find("wan2.2-5b")
	if n, exact := wan.Size(); !exact || n != 22818089252+11383329148 {
		t.Errorf("the size of wan2.2-5b is %d, exact %v", n, exact)
	}
	if e, ok := c.EngineOf("WanDMDPipeline"); !ok || e != "wan" {
		t.Errorf("WanDMDPipeline is run by %q", e)
	}
	if _, ok := c.EngineOf("FluxPipeline"); ok {
		t.Error("FluxPipeline is run by something")
	}
}

const good = `
models:
  - name: mine
    about: one of mine
    engine: wan
    licence: {name: MIT}
    components: [{repository: me/mine, files: ["*.json"]}]
`

// TestUserFile: a user's file adds models and replaces those of the same name.
func TestUserFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "models.yaml")
	t.Setenv(FileEnv, path)
	if _, err := Load(); err == nil || !strings.Contains(err.Error(), "read your list of models") {
		t.Errorf("a file that is named and not there: %v", err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good + strings.Replace(strings.TrimPrefix(good, "\nmodels:\n"), "mine", "fastwan-1.3b", 1))
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := c.Find("mine"); !ok || e.Components[0].Repository != "me/mine" {
		t.Errorf("%+v, %v", e, ok)
	}
	if e, _ := c.Find("fastwan-1.3b"); e.About != "one of mine" {
		t.Errorf("a name of the user's loses to an alias: %+v", e)
	}
	if e, _ := c.Find("fastwan"); !strings.HasPrefix(e.About, "FastWan 2.1") {
		t.Errorf("%+v", e)
	}
	if !slices.Contains(Builtin().Entries[0].Aliases, "fastwan-1.3b") {
		t.Error("the list inside the program has changed")
	}
	for name, tt := range map[string]struct{ old, new, want string }{
		"a name with a slash":   {"name: mine", "name: ../mine", "is no name of a model"},
		"a device":              {"name: mine", "name: con", "Windows"},
		"no licence":            {"licence: {name: MIT}", "licence: {}", "licence has no name"},
		"a licence's link":      {"{name: MIT}", `{name: MIT, link: "javascript:x"}`, "begins with https://"},
		"an unknown key":        {"about:", "abuot:", "abuot"},
		"no components":         {`[{repository: me/mine, files: ["*.json"]}]`, "[]", "0 components"},
		"no files":              {`files: ["*.json"]`, "files: []", "0 patterns"},
		"a path out":            {`"*.json"`, `"../*.json"`, "out of its folder"},
		"a folder out":          {"files:", "into: ../x, files:", "out of its folder"},
		"letters in brackets":   {`"*.json"`, `"[a].json"`, "stands for other letters"},
		"a repository's name":   {"me/mine", "me/mine/more", "is no repository"},
		"a revision":            {"files:", "revision: ../x, files:", "is no revision"},
		"a digest":              {"files:", "digests: {a: xyz}, files:", "no SHA-256"},
		"a negative size":       {"files:", "size: -1, files:", "negative"},
		"an about of two lines": {"about: one of mine", `about: "a\nb"`, "one line"},
		"what is no list":       {"models:", "models: 7 #", ""},
	} {
		write(strings.Replace(good, tt.old, tt.new, 1))
		if _, err := Load(); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want one that says %q", name, err, tt.want)
		}
	}
	write(strings.Repeat("#", MaxFileBytes+1))
	if _, err := Load(); err == nil {
		t.Error("a file without end is read")
	}
}

// TestPaths: what leads out of a folder, or is no name on some system, is refused.
func TestPaths(t *testing.T) {
	for _, p := range []string{"a", "a/b.json", "text_encoder/model-00001-of-00003.safetensors", "ü/日本.txt", "..a", "a..b", ".hidden"} {
		if err := CheckPath(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{
		"", ".", "..", "/a", "a/", "a//b", "./a", "a/./b", "../a", "a/../../b", "a/..", `a\b`, `..\a`, "c:a", "a\x00b", "a\nb", "a\u202eb"[:3] + "\x7f",
		"nul", "a/CON.txt", "com1", "a ", " a", "a.", "a*", "a?", "a|b", "\xff", strings.Repeat("a", 201), strings.Repeat("a/", 300) + "a", strings.Repeat("a/", 17) + "a",
	} {
		if CheckPath(p) == nil {
			t.Errorf("%q is taken", p)
		}
	}
	for _, tt := range []struct {
		paths []string
		found bool
	}{
		{[]string{"a/b", "a/c", "b"}, false},
		{[]string{"a", "A"}, true},
		{[]string{"x/a", "X/b"}, true},
		{[]string{"a", "a/b"}, true},
		{[]string{"a/b", "A"}, true},
		{[]string{"\u00c4", "a\u0308"}, true},
		{[]string{"a", "a"}, true},
	} {
		if _, _, found := Collision(tt.paths); found != tt.found {
			t.Errorf("%q collide: %v", tt.paths, found)
		}
	}
}

// FuzzPath: a path that is taken stays in its folder, on every system.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"a/b", "../x", `a\..\b`, "a/./b", "nul.txt"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if CheckPath(p) != nil {
			return
		}
		if !filepath.IsLocal(filepath.FromSlash(p)) || strings.ContainsAny(p, "\\:\x00") || filepath.ToSlash(filepath.Clean(filepath.FromSlash(p))) != p {
			t.Errorf("%q is taken", p)
		}
	})
}
