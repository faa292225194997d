package server

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// keysOf lists the keys that a configuration type reads, as a.b.c.
func keysOf(t reflect.Type, prefix string) []string {
	var out []string
	for f := range fieldsOf(t) {
		if !f.IsExported() {
			continue
		}
		key := prefix + strings.Split(f.Tag.Get("yaml"), ",")[0]
		inner := f.Type
		if inner.Kind() == reflect.Struct && strings.HasPrefix(inner.String(), "struct") {
			out = append(out, keysOf(inner, key+".")...)
			continue
		}
		out = append(out, key)
	}
	return out
}

func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// TestConfigFileIsComplete: config.yaml has every key and no unknown one. Each
// key has a comment above it, beside it or in its group.
func TestConfigFileIsComplete(t *testing.T) {
	var tree map[string]any
	if err := yaml.Unmarshal(ConfigFile, &tree); err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		at := any(tree)
		for part := range strings.SplitSeq(key, ".") {
			m, ok := at.(map[string]any)
			if at, ok = m[part], ok && hasKey(m, part); !ok {
				t.Errorf("config.yaml lacks %s", key)
				break
			}
		}
	}
	DefaultConfig() // strict: it panics on an unknown key
	lines := strings.Split(string(ConfigFile), "\n")
	top := regexp.MustCompile(`^[a-z_]+:`)
	for i, line := range lines {
		if top.MatchString(line) && !strings.Contains(line, "#") && !strings.HasPrefix(lines[i-1], "#") && !strings.HasSuffix(line, ":") {
			t.Errorf("config.yaml, line %d: %s has no comment", i+1, line)
		}
	}
}

func hasKey(m map[string]any, key string) bool { _, ok := m[key]; return ok }

func TestDefaultConfigIsGood(t *testing.T) {
	c := DefaultConfig()
	if err := c.Check([]string{"reel", "testcard"}); err != nil {
		t.Error(err)
	}
	if c.Jobs.Lease != 30*time.Second || c.Limits.Body != 64<<20 {
		t.Errorf("lease %v, body %d", c.Jobs.Lease, c.Limits.Body)
	}
}

func TestReadConfig(t *testing.T) {
	env := func(name string) (string, bool) {
		return map[string]string{"CHAT_KEY": "k-1"}[name], name == "CHAT_KEY"
	}
	for _, tt := range []struct{ text, want string }{
		{"listen: 0.0.0.0:80\nupstreams: {chat: {url: 'http://127.0.0.1:1/v1', key: \"${CHAT_KEY}\"}}\n", ""},
		{"# ${NOT_SET} in a comment\n", ""},
		{"", ""},
		{"---\n", ""},
		{"# nothing else\n", ""},
		{"key: ${NOT_SET}\n", "line 1: the environment variable NOT_SET is not set"},
		{"lisen: 127.0.0.1:80\n", "lisen"},
		{"lisen: 127.0.0.1:80\n", "--print-config"},
		{"# quick\njobs: {lease: quick}\n", `line 2: time: invalid duration "quick"`},
		{"egress: {allow: [10.0.0.0]}\n", `line 1: netip.ParsePrefix("10.0.0.0")`},
		{": [", ""},
	} {
		path := filepath.Join(t.TempDir(), "k.yaml")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := ReadConfig(path, env)
		if tt.text == ": [" {
			if err == nil {
				t.Error("broken YAML is taken")
			}
			continue
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
		if d := DefaultConfig(); err == nil && !strings.HasPrefix(tt.text, "listen") && !reflect.DeepEqual(c, d) {
			t.Errorf("%q: %+v, want the default", tt.text, c)
		}
		if strings.HasPrefix(tt.text, "listen") && (c.Listen != "0.0.0.0:80" || c.Upstreams.Chat.Key != "k-1" || c.Jobs.Queue != 10000) {
			t.Errorf("%q: %+v", tt.text, c)
		}
	}
	if _, err := ReadConfig(filepath.Join(t.TempDir(), "none.yaml"), env); err == nil {
		t.Error("a missing file is accepted")
	}
}

func TestCheckNamesTheKey(t *testing.T) {
	for key, spoil := range map[string]func(*Config){
		"listen":           func(c *Config) { c.Listen = "8080" },
		"role":             func(c *Config) { c.Role = "both" },
		"workers":          func(c *Config) { c.Workers = 0 },
		"jobs.attempts":    func(c *Config) { c.Jobs.Attempts = 99 },
		"jobs.lease":       func(c *Config) { c.Jobs.Lease = time.Millisecond },
		"public_url":       func(c *Config) { c.PublicURL = "example.com" },
		"upstreams.chat":   func(c *Config) { c.Upstreams.Chat.URL = "file:///etc/passwd" },
		"models[0]":        func(c *Config) { c.Models[0].Engine = "sora" },
		"is used twice":    func(c *Config) { c.Models = append(c.Models, c.Models[0]) },
		"log.format":       func(c *Config) { c.Log.Format = "xml" },
		"chat.parallel":    func(c *Config) { c.Chat.Parallel = 0 },
		"chat.timeout":     func(c *Config) { c.Chat.Timeout = 0 },
		"chat.names[0]":    func(c *Config) { c.Chat.Names = []string{"reel"} },
		"models: there is": func(c *Config) { c.Models = nil },
	} {
		c := DefaultConfig()
		spoil(&c)
		if err := c.Check([]string{"reel", "testcard"}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestRangesThatMatchNothing: a range that matches no address is an error.
func TestRangesThatMatchNothing(t *testing.T) {
	for text, fine := range map[string]bool{"10.0.0.0/8": true, "2001:db8::/32": true, "::ffff:10.0.0.0/104": false} {
		c := DefaultConfig()
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(text)}
		if err := c.Check([]string{"reel", "testcard"}); (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "trusted_proxies[0]") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
