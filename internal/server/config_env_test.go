package server

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/text"
)

// configOf reads a configuration from a text, with the variables of env.
func configOf(t *testing.T, yaml string, env map[string]string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "k.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadConfig(path, func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}

// TestVariablesAreStrings: a variable's value is used unchanged, whatever it
// would mean in YAML, and in every style of YAML.
func TestVariablesAreStrings(t *testing.T) {
	values := []string{
		"0123", "1e3", "0x1F", "true", "null", "~", "# no comment", "a: b", "- a", "{a", "[", "*x", "&x", "!x", "%x", "@", "|",
		`it's "quoted"`, "a\nb: c", "\ttab", " space ", "${NOT_SET}", "${KEY}", "", "2024-01-02", "密钥", `C:\keys\n`, "key # x",
	}
	for style, line := range map[string]string{
		"plain": "key: ${KEY}", "double": `key: "${KEY}"`, "single": "key: '${KEY}' # ${NOT_SET}", "flow": "{key: ${KEY}, model: m}",
		"flow of its own": "{key: ${KEY}}",
	} {
		for _, value := range values {
			c, err := configOf(t, "upstreams:\n  chat:\n    "+line+"\n", map[string]string{"KEY": value})
			if err != nil || c.Upstreams.Chat.Key != value {
				t.Errorf("%s, %q: key %q, %v", style, value, c.Upstreams.Chat.Key, err)
			}
		}
	}
}

func TestVariablesEverywhere(t *testing.T) {
	c, err := configOf(t, `
listen: 127.0.0.1:${PORT}
workers: ${N}
database: "postgres://kinora:${PW}@${HOST}/k"
log: {level: ${LEVEL}}
jobs: {lease: ${LEASE}}
limits:
  body: ${BIG}
trusted_proxies: [${NET}, 10.0.0.0/8]
moderation:
  webhook: {open: ${OPEN}}
  words:
    en: ["${WORD}", plain]
models:
  - {name: ${NAME}, engine: reel}
upstreams:
  chat:
    key: |-
      ${PW}
billing:
  plans: {gold: {credits: ${CREDITS}}}
`, map[string]string{
		"PORT": "81", "N": "3", "PW": "0123", "HOST": "db", "LEVEL": "WARN", "LEASE": "45s", "BIG": "9007199254740993",
		"NET": "192.168.0.0/16", "OPEN": "true", "WORD": "yes", "NAME": "01", "CREDITS": "12.50",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		c.Listen, c.Workers, c.Database, c.Log.Level.String(), c.Jobs.Lease, c.Limits.Body, c.TrustedProxies[0], len(c.TrustedProxies),
		c.Moderation.Webhook.Open, c.Moderation.Words["en"][0], c.Models[0].Name, c.Upstreams.Chat.Key, c.Billing.Plans["gold"].Credits.String(),
	}
	want := []any{
		"127.0.0.1:81", 3, "postgres://kinora:0123@db/k", "WARN", 45 * time.Second, int64(9007199254740993), netip.MustParsePrefix("192.168.0.0/16"), 2,
		true, "yes", "01", "0123", "12.50",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestVariablesAreNotPrinted: an error names the key and the variable, and never
// repeats the variable's value.
func TestVariablesAreNotPrinted(t *testing.T) {
	const secret = "top-secret"
	for _, tt := range []struct{ text, want string }{
		{"listen: ${S}\n", `listen: "${S}" is not an address`},
		{"role: ${S}\n", `role: "${S}" is not one of`},
		{"workers: ${S}\n", "line 1: workers: the value of ${S} is not a whole number"},
		{"jobs: {lease: ${S}}\n", "line 1: jobs.lease: the value of ${S} is not a duration"},
		{"jobs:\n  lease: a${S}\n", "line 2: jobs.lease: the value of a${S} is not a duration"},
		{"egress: {allow: [${S}]}\n", "line 1: egress.allow[0]: the value of ${S} is not"},
		{"egress: {allow: ${S}}\n", "line 1: egress.allow: the value of ${S} is not one value: this key takes several"},
		{"moderation: {webhook: {open: ${S}}}\n", "not true or false"},
		{"billing: {plans: {a: {credits: ${S}}}}\n", "billing.plans.a.credits: the value of ${S} is not"},
		{"lisen: ${S}\n", "lisen"},
		{"upstreams: {chat: {key: ${S}}}\nlisten: [\n", "${S}"},
		{"upstreams: {chat: {key: ${S}, keys: 1}}\n", "keys"},
		{"public_url: ftp://u:${S}@h/\n", "public_url"},
		{"models: [{name: a, engine: ${S}}]\n", `no local model "${S}"`},
		{"${S}: 1\n", "line 1: a variable may stand for a value, not for the key ${S}"},
		{"a: ${NONE}\n", "line 1: the environment variable NONE is not set"},
		{"listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n", "several documents"},
	} {
		c, err := configOf(t, tt.text, map[string]string{"S": secret})
		if err == nil {
			err = c.Check([]string{"reel", "testcard"})
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), varOpen[:3]) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
	c := Config{variables: []setVariable{{"N", "1"}, {"P", `a"b`}}}
	if got := c.hide(errors.New(`1 of 10, a"b or "a\"b"`)).Error(); got != `${N} of 10, ${P} or "${P}"` {
		t.Errorf("%s", got)
	}
	if err := c.hide(fs.ErrNotExist); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
}

// TestConfigEncodings: a byte order mark is ignored, and an error names another
// encoding.
func TestConfigEncodings(t *testing.T) {
	for _, in := range []string{text.Mark + "listen: 127.0.0.1:18093\r\n", text.Mark + text.Mark + "listen: 127.0.0.1:18093"} {
		if c, err := configOf(t, in, nil); err != nil || c.Listen != "127.0.0.1:18093" {
			t.Errorf("%q: %q, %v", in, c.Listen, err)
		}
	}
	for in, want := range map[string]string{
		"\xff\xfel\x00i\x00": "it is UTF-16, little-endian", "listen: a\n# caf\xe9\n": "line 2 holds the byte 0xE9",
	} {
		if _, err := configOf(t, in, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}
