package server

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOtherOrigins: pages of other origins may call the server only if the
// configuration names their origins.
func TestOtherOrigins(t *testing.T) {
	const page = "https://app.example.com"
	for _, tt := range []struct {
		origins []string
		from    string
		want    string
	}{
		{nil, page, ""},
		{[]string{page}, page, page},
		{[]string{"https://other.example.com", page}, page, page},
		{[]string{page}, "https://evil.example.com", ""},
		{[]string{page}, "http://app.example.com", ""},
		{[]string{page}, page + ".evil.example", ""},
		{[]string{page}, "null", ""},
		{[]string{"*"}, "https://any.example.com", "*"},
	} {
		s, keys := realServer(t, func(c *Config) { c.CORSOrigins = tt.origins })
		for path, status := range map[string]int{"/v1/jobs": 200, "/v1/nothing": 404, "/v1/jobs?x=%ff": 400} {
			resp, body := call(t, s, "GET", path, keys.API, "", "Origin", tt.from)
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != tt.want || resp.StatusCode != status || resp.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%v: a page of %s gets %d %v %s", tt.origins, tt.from, resp.StatusCode, resp.Header, body)
			}
			if tt.want != "" && !strings.Contains(strings.ToLower(resp.Header.Get("Access-Control-Expose-Headers")), "retry-after") {
				t.Errorf("%v: a page may not read %v", tt.origins, resp.Header)
			}
		}
		resp, body := call(t, s, "OPTIONS", "/v1/videos", "", "", "Origin", tt.from,
			"Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "authorization,content-type,x-stainless-lang")
		h := resp.Header
		switch {
		case tt.origins == nil:
			if resp.StatusCode != http.StatusMethodNotAllowed || h.Get("Vary") != "" {
				t.Errorf("off, but a page gets %d %v %s", resp.StatusCode, h, body)
			}
		case h.Get("Access-Control-Allow-Origin") != tt.want, (h.Get("Access-Control-Allow-Methods") == "DELETE") != (tt.want != ""),
			strings.Contains(h.Get("Access-Control-Allow-Headers"), "authorization") != (tt.want != ""), resp.StatusCode != http.StatusNoContent:
			t.Errorf("%v: a page of %s may %d %v", tt.origins, tt.from, resp.StatusCode, h)
		}
	}
	for origin, fine := range map[string]bool{
		page: true, "*": true, "http://localhost:3000": true, "capacitor://localhost": true, "https://[2001:db8::1]:8443": true,
		page + "/": false, "app.example.com": false, "": false, "null": false, "https://*.example.com": false, page + "/path": false,
		"https://user@example.com": false, "https://App.example.com": false, "https://app.example.com:443": false, "http://app.example.com:80": false,
	} {
		c := DefaultConfig()
		c.CORSOrigins = []string{origin}
		if err := c.Check([]string{"reel", "testcard"}); (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "cors_origins[0]") {
			t.Errorf("%q: %v", origin, err)
		}
	}
	file := filepath.Join(t.TempDir(), "kinora.yaml")
	if err := os.WriteFile(file, []byte("cors_origins: [https://app.example.com]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := ReadConfig(file, os.LookupEnv); err != nil || len(c.CORSOrigins) != 1 || c.CORSOrigins[0] != page {
		t.Errorf("%v, %v", c.CORSOrigins, err)
	}
}
