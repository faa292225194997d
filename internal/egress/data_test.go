package egress

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDecodeData(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString(png)
	for _, tt := range []struct {
		url, data, typ, declared string
	}{
		{"data:image/png;base64," + b64, string(png), "image/png", "image/png"},
		{"DATA:image/PNG;BASE64," + b64, string(png), "image/png", "image/png"},
		{"data:image/jpeg;base64," + b64, string(png), "image/png", "image/jpeg"}, // the bytes decide
		{"data:image/png;base64," + strings.TrimRight(b64, "="), string(png), "image/png", "image/png"},
		{"data:image/png;base64," + b64[:8] + "\r\n" + b64[8:] + "\n", string(png), "image/png", "image/png"},
		{"data:image/png;base64," + url.QueryEscape(b64), string(png), "image/png", "image/png"},
		{"data:image/png;name=a.png;base64," + b64, string(png), "image/png", "image/png"},
		{"data:;base64,aGVsbG8=", "hello", "text/plain", "text/plain"},
		{"data:,a%20brief,note+", "a brief,note+", "text/plain", "text/plain"},
		{"data:text/plain;charset=utf-8,%E2%82%AC", "€", "text/plain", "text/plain"},
		{"data:;charset=utf-8,x", "x", "text/plain", "text/plain"},
		{"data:text%2Fplain,x", "x", "text/plain", "text/plain"},
		{"data:,", "", "text/plain", "text/plain"},
		{"data:image/png;base64,", "", "text/plain", "image/png"},
	} {
		c, err := new(Client).FetchURL(t.Context(), tt.url, Limits{})
		if err != nil {
			t.Errorf("%q: %v", tt.url, err)
			continue
		}
		if string(c.Data) != tt.data || c.Type != tt.typ || c.Declared != tt.declared {
			t.Errorf("%q: %q %q %q, want %q %q %q", tt.url, c.Data, c.Type, c.Declared, tt.data, tt.typ, tt.declared)
		}
	}
}

func TestDecodeDataRefuses(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString(png)
	for _, tt := range []struct {
		url  string
		kind error
	}{
		{"data:image/png;base64", ErrURL},
		{"data:", ErrURL},
		{"date:image/png;base64," + b64, ErrURL},
		{"data:image/png;base64,a", ErrURL},
		{"data:image/png;base64,aGVsbG8==", ErrURL},
		{"data:image/png;base64,=aGV", ErrURL},
		{"data:image/png;base64,aGV*bG8=", ErrURL},
		{"data:image/png;base64,_-_-", ErrURL},
		{"data:image/png;base64,aGVs%2", ErrURL},
		{"data:image,x", ErrURL},
		{"data:image/png;;;=,x", ErrURL},
		{"data:image/%zz,x", ErrURL},
		{"data:" + strings.Repeat("a", MaxURL) + "/b,x", ErrURL},
		{"data:text/html,<html>", ErrType},
		{"data:image/png,", ErrType},
		{"data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte("<html>")), ErrType},
		{"data:image/png;base64," + base64.StdEncoding.EncodeToString(append(png, make([]byte, 1000)...)), ErrTooLarge},
		{"data:image/png," + url.PathEscape(string(png)) + strings.Repeat("%00", 1000), ErrTooLarge},
		{"data:image/png," + url.PathEscape(string(png)) + strings.Repeat("x", 1000), ErrTooLarge},
		{"data:image/png," + strings.Repeat("x", 1<<20), ErrTooLarge},
	} {
		_, err := DecodeData(tt.url, Limits{MaxBytes: 1000, Accept: []string{"image/"}})
		if wantKind(t, err, tt.kind); len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

// TestDataRoundTrip: the output of any encoder decodes to the same bytes, up to
// the exact limit.
func TestDataRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "data")
		limit := int64(rapid.IntRange(1, 600).Draw(t, "limit"))
		for _, u := range []string{
			"data:;base64," + base64.StdEncoding.EncodeToString(want),
			"data:;base64," + base64.RawStdEncoding.EncodeToString(want),
			"data:," + url.PathEscape(string(want)),
		} {
			c, err := DecodeData(u, Limits{MaxBytes: limit})
			if int64(len(want)) > limit {
				wantKind(t, err, ErrTooLarge)
			} else if err != nil || string(c.Data) != string(want) {
				t.Fatalf("%s: %v", u, err)
			}
		}
	})
}
