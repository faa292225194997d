package studio

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// The cookie of a session. Over https it has the prefix that browsers accept from
// this host alone.
const (
	cookieName   = "kinora_session"
	cookieSecure = "__Host-" + cookieName
)

// CSRFHeader carries the token that a page sends with every request that changes
// something. Other sites can make a browser send a cookie, but no such header.
const CSRFHeader = "X-Csrf-Token"

// maxForm bounds the body of a form, in bytes.
const maxForm = 8 << 10

// secure reports whether a request came over https, perhaps by a proxy.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(web.BaseOf(r.Context()), "https://")
}

func nameOf(r *http.Request) string {
	if secure(r) {
		return cookieSecure
	}
	return cookieName
}

// secretOf is the session's secret that a request's cookie holds; "" for none.
func secretOf(r *http.Request) string {
	c, err := r.Cookie(nameOf(r))
	if err != nil {
		return ""
	}
	return c.Value
}

// tokenOf is the token of a session. It is made of the secret, which only the
// browser and the request have.
func tokenOf(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("csrf")) // a hash never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Authenticate returns who a request's session stands for. given says whether the
// request has a session; else it needs a key. The context ends when the browser
// signs out; done must be called after the answer. A request that changes something
// must come from a page of this server and have its token.
func (s *Studio) Authenticate(r *http.Request) (who auth.Principal, ctx context.Context, done func(), given bool, err error) {
	ctx, done = r.Context(), func() {}
	secret := secretOf(r)
	if secret == "" {
		return who, ctx, done, false, nil
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return who, ctx, done, true, job.Errorf(job.Forbidden, "", "the request comes from a page of another site, which may not use this session")
	}
	if err := s.origin.Check(r); err != nil {
		return who, ctx, done, true, job.Errorf(job.Forbidden, "", "the request comes from a page of another site, which may not use this session")
	}
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !safe && !hasToken(r.Header.Get(CSRFHeader), secret) {
		return who, ctx, done, true, job.Errorf(job.Forbidden, "", "the request has a session and lacks its token: load the page again")
	}
	if who, err = s.o.Sessions.Session(ctx, secret); err != nil {
		return who, ctx, done, true, err
	}
	ctx, done = s.o.Sessions.WhileSession(ctx, secret)
	return who, ctx, done, true, nil
}

func hasToken(given, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(tokenOf(secret))) == 1
}

// begin signs a browser in.
func (s *Studio) begin(w http.ResponseWriter, r *http.Request, who auth.Principal) error {
	secret, expires, err := s.o.Sessions.StartSession(r.Context(), who)
	if err != nil {
		return err
	}
	if old := secretOf(r); old != "" { // who signs in anew leaves no session behind
		if err := s.o.Sessions.EndSession(r.Context(), old); err != nil {
			return err
		}
	}
	s.setCookie(w, r, secret, expires)
	return nil
}

func (s *Studio) setCookie(w http.ResponseWriter, r *http.Request, value string, expires time.Time) {
	c := &http.Cookie{
		Name: nameOf(r), Value: value, Path: "/", Expires: expires, Secure: secure(r), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// signInPage shows the form for a key.
func (s *Studio) signInPage(w http.ResponseWriter, r *http.Request) {
	if secret := secretOf(r); secret != "" {
		if _, err := s.o.Sessions.Session(r.Context(), secret); err == nil {
			http.Redirect(w, r, Path, http.StatusSeeOther)
			return
		}
	}
	s.render(w, r, http.StatusOK, "sign-in", nil, &view{Next: nextOf(r.URL.Query().Get("next"))})
}

// signIn checks a key and begins a session.
func (s *Studio) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.refuse(w, r, http.StatusBadRequest, "error.form")
		return
	}
	next := nextOf(r.PostForm.Get("next"))
	who, err := s.o.Check(r.Context(), strings.TrimSpace(r.PostForm.Get("key")), web.InfoOf(r.Context()).Client)
	if err == nil {
		err = s.begin(w, r, who)
	}
	if err == nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	e := web.Report(r, err)
	status := http.StatusUnauthorized
	switch e.Code {
	case job.RateLimited:
		status = http.StatusTooManyRequests
		web.SetRetryAfter(w.Header(), e.RetryAfter)
	case job.Unauthorized:
	default:
		status = http.StatusServiceUnavailable
	}
	s.render(w, r, status, "sign-in", nil, &view{Next: next, Problem: e.Message})
}

// signOut ends the session. A stolen copy of its cookie is worthless from then on.
func (s *Studio) signOut(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	secret := secretOf(r)
	if err := r.ParseForm(); err != nil || secret != "" && !hasToken(r.PostForm.Get("token"), secret) {
		s.refuse(w, r, http.StatusForbidden, "error.cross")
		return
	}
	if secret != "" {
		if err := s.o.Sessions.EndSession(r.Context(), secret); err != nil {
			_ = web.Report(r, err) // for the log
			s.refuse(w, r, http.StatusServiceUnavailable, "error.later")
			return
		}
	}
	s.setCookie(w, r, "", time.Unix(1, 0))
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	http.Redirect(w, r, signInPath, http.StatusSeeOther)
}

// nextOf is the page to go to after signing in: one of the studio's, whatever a link
// says.
func nextOf(given string) string {
	u, err := url.Parse(given)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, Path) || strings.Contains(u.Path, "..") || strings.ContainsAny(given, "\\\r\n") {
		return Path
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// codeTime is how long a one-time code may be used.
const codeTime = 10 * time.Minute

// codes are the one-time codes that were given out, by their SHA-256.
type codes struct {
	mu sync.Mutex
	m  map[[sha256.Size]byte]code
}

type code struct {
	who   auth.Principal
	until time.Time
}

// Invite returns a path that signs one browser in, once, as who. The code is in the
// path's fragment, which browsers send to no server and which no log holds.
func (s *Studio) Invite(who auth.Principal) string {
	text := rand.Text()
	s.codes.mu.Lock()
	defer s.codes.mu.Unlock()
	if s.codes.m == nil {
		s.codes.m = map[[sha256.Size]byte]code{}
	}
	s.codes.m[sha256.Sum256([]byte(text))] = code{who, time.Now().Add(codeTime)}
	return enterPath + "#" + text
}

// take uses a code up.
func (c *codes) take(text string, now time.Time) (auth.Principal, bool) {
	h := sha256.Sum256([]byte(text))
	c.mu.Lock()
	defer c.mu.Unlock()
	got, ok := c.m[h]
	delete(c.m, h)
	return got.who, ok && now.Before(got.until)
}

// enterPage has a script that sends the code in its address.
func (s *Studio) enterPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "enter", nil, &view{})
}

// enter begins a session with a one-time code.
func (s *Studio) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.refuse(w, r, http.StatusBadRequest, "error.form")
		return
	}
	who, ok := s.codes.take(r.PostForm.Get("code"), time.Now())
	if !ok {
		s.render(w, r, http.StatusUnauthorized, "sign-in", nil, &view{Problem: s.words(r)["enter.used"]})
		return
	}
	if err := s.begin(w, r, who); err != nil {
		_ = web.Report(r, err) // for the log
		s.refuse(w, r, http.StatusServiceUnavailable, "error.later")
		return
	}
	http.Redirect(w, r, Path, http.StatusSeeOther)
}
