package studio

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
)

// Paths of the studio.
const (
	Path       = "/studio/" // begins all of them, and is the page Create
	signInPath = Path + "sign-in"
	enterPath  = Path + "enter"
	outPath    = Path + "sign-out"
)

// Sessions signs browsers in and out, as auth.Auth does.
type Sessions interface {
	StartSession(ctx context.Context, who auth.Principal) (secret string, expires time.Time, err error)
	Session(ctx context.Context, secret string) (auth.Principal, error)
	EndSession(ctx context.Context, secret string) error
	WhileSession(ctx context.Context, secret string) (_ context.Context, done func())
}

// Options are what a studio stands on.
type Options struct {
	Sessions Sessions
	// Check checks a key that a browser signs in with. It slows down those who
	// guess.
	Check func(ctx context.Context, key string, client netip.Addr) (auth.Principal, error)
}

// Studio answers the requests for pages.
type Studio struct {
	o      Options
	origin *http.CrossOriginProtection
	files  assets
	pages  map[string]*page
	codes  codes
}

// New makes a studio.
func New(o Options) (*Studio, error) {
	s := &Studio{o: o, origin: http.NewCrossOriginProtection()}
	var err error
	if s.files, err = newAssets(); err != nil {
		return nil, err
	}
	s.pages, err = newPages(s.files)
	return s, err
}

// Handler answers everything under Path.
func (s *Studio) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path+"{$}", s.show("create"))
	mux.HandleFunc("GET "+Path+"queue", s.show("queue"))
	mux.HandleFunc("GET "+Path+"library", s.show("library"))
	mux.HandleFunc("GET "+signInPath, s.signInPage)
	mux.HandleFunc("POST "+signInPath, s.signIn)
	mux.HandleFunc("GET "+enterPath, s.enterPage)
	mux.HandleFunc("POST "+enterPath, s.enter)
	mux.HandleFunc("POST "+outPath, s.signOut)
	mux.HandleFunc("GET "+staticPath+"{version}/{file...}", s.files.serve)
	mux.HandleFunc(Path, s.notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guardHeaders(w.Header())
		if err := s.origin.Check(r); err != nil {
			s.refuse(w, r, http.StatusForbidden, "error.cross")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// policy allows a page what is the server's own, and nothing else: no inline
// script or style, no frame, no base, no HTML made of text.
var policy = strings.Join([]string{
	"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "media-src 'self' blob:", "connect-src 'self'",
	"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
}, "; ")

// guardHeaders sets the headers that every answer of the studio has.
func guardHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
}
