package blob

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	secretA = bytes.Repeat([]byte("a"), MinSecret)
	secretB = bytes.Repeat([]byte("b"), MinSecret)
	noon    = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

func signer(t testing.TB, current []byte, previous ...[]byte) *Signer {
	t.Helper()
	s, err := NewSigner(current, previous...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignedLink(t *testing.T) {
	s := signer(t, secretA)
	link, err := s.Link("GET", "/files/ä b/x.mp4", "mein Film.mp4", noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse("http://host" + link)
	if err != nil {
		t.Fatal(err)
	}
	if u.Path != "/files/ä b/x.mp4" || u.Query().Get(ParamFilename) != "mein Film.mp4" {
		t.Errorf("the link %s leads to %q", link, u.Path)
	}
	for _, tt := range []struct {
		method, path string
		at           time.Time
		want         error
	}{
		{"GET", u.Path, noon, nil},
		{"HEAD", u.Path, noon, nil},
		{"GET", u.Path, noon.Add(time.Hour - 1), nil},
		{"GET", u.Path, noon.Add(time.Hour), ErrExpired},
		{"HEAD", u.Path, noon.Add(99 * time.Hour), ErrExpired},
		{"POST", u.Path, noon, ErrSignature},
		{"get", u.Path, noon, ErrSignature},
		{"GET", "/files/ä b/y.mp4", noon.Add(99 * time.Hour), ErrSignature},
	} {
		if err := s.Verify(tt.method, tt.path, u.Query(), tt.at); !errors.Is(err, tt.want) {
			t.Errorf("%s %s at %v: %v, want %v", tt.method, tt.path, tt.at, err, tt.want)
		}
	}
	head, err := s.Sign("HEAD", "/x", "", noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify("HEAD", "/x", head, noon); err != nil {
		t.Error(err)
	}
	if err := s.Verify("GET", "/x", head, noon); !errors.Is(err, ErrSignature) {
		t.Errorf("GET where HEAD was signed: %v", err)
	}
}

// TestSignatureGolden pins the signed bytes: a new version must not invalidate
// the links of the previous one.
func TestSignatureGolden(t *testing.T) {
	const want = "kR5ktRzw6CNU0UqBJI2CgPzT5-dpr3yXk5oG0YzeZIA"
	if got := signature(secretA, "GET", "/files/x.mp4", "x.mp4", noon.Unix()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRotation(t *testing.T) {
	old, both, fresh := signer(t, secretA), signer(t, secretB, secretA), signer(t, secretB)
	byOld, err := old.Sign("GET", "/x", "", noon)
	if err != nil {
		t.Fatal(err)
	}
	byBoth, err := both.Sign("GET", "/x", "", noon)
	if err != nil {
		t.Fatal(err)
	}
	at := noon.Add(-time.Minute)
	for _, tt := range []struct {
		name string
		s    *Signer
		v    url.Values
		want error
	}{
		{"the old link while both secrets are kept", both, byOld, nil},
		{"the old link afterwards", fresh, byOld, ErrSignature},
		{"a new link at a server that has only the old secret", old, byBoth, ErrSignature},
		{"a new link afterwards", fresh, byBoth, nil},
	} {
		if err := tt.s.Verify("GET", "/x", tt.v, at); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestSignerRefuses(t *testing.T) {
	if _, err := NewSigner(secretA[1:]); err == nil {
		t.Error("a secret of 31 bytes was accepted")
	}
	if _, err := NewSigner(secretA, nil); err == nil {
		t.Error("an empty previous secret was accepted")
	}
	if _, err := NewSigner(secretA, make([][]byte, MaxSecrets)...); err == nil {
		t.Error("too many secrets were accepted")
	}
	s := signer(t, secretA)
	for _, tt := range []struct {
		method, path, filename string
		expires                time.Time
	}{
		{"", "/x", "", noon},
		{"get", "/x", "", noon},
		{"GET", "", "", noon},
		{"GET", "x", "", noon},
		{"GET", "//host/x", "", noon},
		{"GET", "/" + strings.Repeat("x", MaxLinkPath), "", noon},
		{"GET", "/x", "a/b", noon},
		{"GET", "/x", "a\"b", noon},
		{"GET", "/x", "a\r\nb", noon},
		{"GET", "/x", "a\u202eb", noon},
		{"GET", "/x", "\xff", noon},
		{"GET", "/x", strings.Repeat("x", MaxFileName+1), noon},
		{"GET", "/x", "", time.Unix(0, 0)},
		{"GET", "/x", "", time.Time{}},
	} {
		if v, err := s.Sign(tt.method, tt.path, tt.filename, tt.expires); err == nil {
			t.Errorf("%+v was signed: %v", tt, v)
		}
	}
}

// TestQueryIsExact: a link has each parameter once, in one spelling, and no
// other.
func TestQueryIsExact(t *testing.T) {
	s := signer(t, secretA)
	v, err := s.Sign("GET", "/x", "", noon)
	if err != nil {
		t.Fatal(err)
	}
	at := noon.Add(-time.Minute)
	sig := v.Get(ParamSignature)
	for _, raw := range []string{
		"",
		v.Encode() + "&filename=",
		v.Encode() + "&filename=x",
		v.Encode() + "&variant=other",
		v.Encode() + "&" + v.Encode(),
		strings.Replace(v.Encode(), "expires=", "expires=%2B", 1),
		strings.Replace(v.Encode(), "expires=", "expires=0", 1),
		strings.Replace(v.Encode(), "expires=", "expires=-", 1),
		strings.Replace(v.Encode(), sig, sig+"=", 1),
		strings.Replace(v.Encode(), sig, sig+"%0A", 1),
		strings.Replace(v.Encode(), sig, sig[:42], 1),
		strings.Replace(v.Encode(), sig, "", 1),
		"expires=" + v.Get(ParamExpires),
		"signature=" + sig,
	} {
		q, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify("GET", "/x", q, at); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if err := s.Verify("GET", "/x", v, at); err != nil {
		t.Error(err)
	}
}

// drawLink draws the fields of a link.
func drawLink(t *rapid.T) (method, path, filename string, expires int64) {
	method = rapid.SampledFrom([]string{"GET", "PUT", "POST", "DELETE"}).Draw(t, "method")
	path = "/" + rapid.StringMatching(`[a-z0-9/._-]{0,20}`).Filter(func(s string) bool { return !strings.HasPrefix(s, "/") }).Draw(t, "path")
	filename = rapid.StringMatching(`[a-z .]{0,10}`).Draw(t, "filename")
	return method, path, filename, rapid.Int64Range(1, 1<<40).Draw(t, "expires")
}

// TestChangedBit: a link with any bit changed, in the method, the path, the
// name, the expiry or the signature, is refused.
func TestChangedBit(t *testing.T) {
	s := signer(t, secretA, secretB)
	rapid.Check(t, func(t *rapid.T) {
		method, path, filename, sec := drawLink(t)
		v, err := s.Sign(method, path, filename, time.Unix(sec, 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(method, path, v, time.Unix(sec-1, 0)); err != nil {
			t.Fatal(err)
		}
		fields := []string{method, path, v.Get(ParamFilename), v.Get(ParamExpires), v.Get(ParamSignature)}
		i := rapid.IntRange(0, len(fields)-1).Filter(func(i int) bool { return fields[i] != "" }).Draw(t, "field")
		b := []byte(fields[i])
		b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		fields[i] = string(b)
		q := url.Values{ParamExpires: {fields[3]}, ParamSignature: {fields[4]}}
		if fields[2] != "" {
			q.Set(ParamFilename, fields[2])
		}
		if err := s.Verify(fields[0], fields[1], q, time.Unix(1, 0).Add(-time.Second)); !errors.Is(err, ErrSignature) {
			t.Errorf("%q: %v", fields, err)
		}
	})
}

// TestNoTwoLinksAlike: different links have different signatures, even if their
// concatenated fields are equal.
func TestNoTwoLinksAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m1, p1, f1, e1 := drawLink(t)
		all := m1 + p1 + f1
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		cut2 := rapid.IntRange(cut, len(all)).Draw(t, "cut2")
		m2, p2, f2 := all[:cut], all[cut:cut2], all[cut2:]
		same := m1 == m2 && p1 == p2 && f1 == f2
		if got := signature(secretA, m1, p1, f1, e1) == signature(secretA, m2, p2, f2, e1); got != same {
			t.Errorf("%q %q %q and %q %q %q", m1, p1, f1, m2, p2, f2)
		}
	})
}

// FuzzVerify: of all queries only the signed one is accepted.
func FuzzVerify(f *testing.F) {
	s, err := NewSigner(secretA)
	if err != nil {
		f.Fatal(err)
	}
	v, err := s.Sign("GET", "/x", "f.mp4", noon)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("GET", "/x", v.Encode())
	f.Add("HEAD", "/x", v.Encode())
	f.Add("GET", "/x", v.Encode()+"&a=b")
	f.Add("GET", "/y", "expires=1&signature=x")
	f.Fuzz(func(t *testing.T, method, path, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		genuine := (method == "GET" || method == "HEAD") && path == "/x" && q.Encode() == v.Encode()
		if err := s.Verify(method, path, q, noon.Add(-time.Second)); (err == nil) != genuine {
			t.Errorf("%s %q %q: %v", method, path, raw, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := signer(b, secretA, secretB)
	v, err := s.Sign("GET", "/files/video/ab/x.mp4", "x.mp4", noon)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Verify("GET", "/files/video/ab/x.mp4", v, noon.Add(-time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
}
