package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The parameters of a signed link. Verify refuses any other.
const (
	ParamExpires   = "expires"   // Unix time in seconds, decimal
	ParamFilename  = "filename"  // the name a browser saves it under; optional
	ParamSignature = "signature" // base64url of the HMAC-SHA256, no padding
)

// Limits of a signer.
const (
	MinSecret    = 32  // bytes of a secret
	MaxSecrets   = 8   // secrets of a signer
	MaxLinkPath  = 512 // bytes of a link's path
	MaxFileName  = 200 // bytes of the name that a link carries
	maxHTTPToken = 16  // bytes of a method
)

// Errors of Verify.
var (
	ErrSignature = errors.New("the link is not genuine: it was changed, cut short, or signed with a secret that is no longer valid")
	ErrExpired   = errors.New("the link has expired: ask for a new one")
)

// Signer makes and checks links that open one path until a given second. It signs
// with its current secret and also accepts links of the previous secrets, so that
// a secret can be replaced while its links stay valid.
type Signer struct {
	secrets [][]byte // current first
}

// NewSigner returns a signer. A secret has at least MinSecret random bytes.
func NewSigner(current []byte, previous ...[]byte) (*Signer, error) {
	if len(previous)+1 > MaxSecrets {
		return nil, fmt.Errorf("blob: a signer of %d secrets: at most %d: drop the oldest", len(previous)+1, MaxSecrets)
	}
	s := &Signer{}
	for i, secret := range append([][]byte{current}, previous...) {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("blob: secret %d of a signer has %d bytes: at least %d random ones are needed", i, len(secret), MinSecret)
		}
		s.secrets = append(s.secrets, append([]byte(nil), secret...))
	}
	return s, nil
}

// Sign returns the parameters that make path open to method until expires,
// rounded down to a second. path is the decoded path of the URL, as a server's
// router sees it. A filename may be "".
func (s *Signer) Sign(method, path, filename string, expires time.Time) (url.Values, error) {
	if why := unfit(method, path, filename); why != "" {
		return nil, fmt.Errorf("blob: signing a link: %s", why)
	}
	sec := expires.Unix()
	if sec <= 0 {
		return nil, fmt.Errorf("blob: signing a link that expires at %s: that time is not in the future", expires.UTC().Format(time.RFC3339))
	}
	v := url.Values{
		ParamExpires:   {strconv.FormatInt(sec, 10)},
		ParamSignature: {signature(s.secrets[0], method, path, filename, sec)},
	}
	if filename != "" {
		v.Set(ParamFilename, filename)
	}
	return v, nil
}

// Link returns path and the parameters of Sign as one escaped string, to be
// appended to the server's address.
func (s *Signer) Link(method, path, filename string, expires time.Time) (string, error) {
	v, err := s.Sign(method, path, filename, expires)
	if err != nil {
		return "", err
	}
	return (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode(), nil
}

// Verify returns nil for a link of Sign before it expires, ErrExpired for a
// genuine link after that, and ErrSignature for any other. HEAD is allowed where
// GET was signed. The query must hold each of the link's parameters once, and no
// other: an unsigned parameter must have no effect. If Verify returns nil, the
// query's filename is the signed one.
func (s *Signer) Verify(method, path string, query url.Values, now time.Time) error {
	for name, values := range query {
		if name != ParamExpires && name != ParamFilename && name != ParamSignature || len(values) != 1 || values[0] == "" {
			return ErrSignature
		}
	}
	expires := query.Get(ParamExpires)
	sec, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || sec <= 0 || strconv.FormatInt(sec, 10) != expires {
		return ErrSignature
	}
	filename := query.Get(ParamFilename)
	if unfit(method, path, filename) != "" {
		return ErrSignature
	}
	given := query.Get(ParamSignature)
	genuine := s.signed(method, path, filename, sec, given)
	if method == "HEAD" {
		genuine |= s.signed("GET", path, filename, sec, given)
	}
	if genuine != 1 {
		return ErrSignature
	}
	if !now.Before(time.Unix(sec, 0)) {
		return ErrExpired
	}
	return nil
}

// signed returns 1 if given is the signature with any of the secrets, else 0. It
// compares the texts, not the decoded bytes, so each signature has only one
// spelling.
func (s *Signer) signed(method, path, filename string, sec int64, given string) int {
	ok := 0
	for _, secret := range s.secrets {
		ok |= subtle.ConstantTimeCompare([]byte(given), []byte(signature(secret, method, path, filename, sec)))
	}
	return ok
}

// signature is the HMAC-SHA256 of a label and the link's fields. Each field is
// preceded by its length, so that no two links sign the same bytes.
func signature(secret []byte, method, path, filename string, sec int64) string {
	mac := hmac.New(sha256.New, secret)
	var n [8]byte
	for _, field := range []string{"kinora link 1", method, path, filename} {
		binary.BigEndian.PutUint64(n[:], uint64(len(field)))
		mac.Write(n[:])
		mac.Write([]byte(field))
	}
	binary.BigEndian.PutUint64(n[:], uint64(sec))
	mac.Write(n[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// unfit returns why these fields cannot be signed, or "".
func unfit(method, path, filename string) string {
	switch {
	case method == "" || len(method) > maxHTTPToken || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return fmt.Sprintf("method %.20q is not a word of capitals", method)
	case !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//"):
		return "its path does not start with one slash"
	case len(path) > MaxLinkPath:
		return fmt.Sprintf("its path has %d bytes, more than %d", len(path), MaxLinkPath)
	case len(filename) > MaxFileName:
		return fmt.Sprintf("its filename has %d bytes, more than %d", len(filename), MaxFileName)
	case !utf8.ValidString(filename) || strings.ContainsFunc(filename, func(r rune) bool {
		return !unicode.IsPrint(r) || strings.ContainsRune(`/\"`, r)
	}):
		return "its filename holds a slash, a quote, or an unprintable character"
	}
	return ""
}
