package hub

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Error is what a hub refused, and what to do about it.
type Error struct {
	Repository string
	Status     int    // of the HTTP answer
	Why        string // as a clause with the repository as its subject
	Hint       string
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Repository + " " + e.Why
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// ErrChanged is the error for a repository whose files are not, or no longer, as
// they were listed.
var ErrChanged = errors.New("the files of the repository have changed since they were listed: pull again")

// subject is what a request is about, for errors.
type subject struct{ repository, revision, path string }

// refusal says why an answer has no file or list. Statuses that may pass give a
// *passing.
func (h *Hub) refusal(a *answer, of subject) error {
	code, said := a.Header.Get("X-Error-Code"), said(a.Header)
	e := &Error{Repository: of.repository, Status: a.StatusCode}
	page := h.Endpoint() + "/" + of.repository
	switch {
	case a.StatusCode == http.StatusTooManyRequests:
		after := waitOf(a.Header)
		e.Why, e.Hint = "is asked for too often", "wait some minutes; with a token in HF_TOKEN the hub allows more"
		return &passing{err: e, after: after}
	case a.StatusCode >= 500 || a.StatusCode == http.StatusRequestTimeout:
		e.Why = fmt.Sprintf("cannot be had from %s now: it answers %s", a.at.Host, a.Status)
		e.Hint = "try again later"
		return &passing{err: e, after: waitOf(a.Header)}
	case h.withheld && (a.StatusCode == http.StatusUnauthorized || a.StatusCode == http.StatusForbidden || a.StatusCode == http.StatusNotFound):
		e.Why = "is not there, or is not for everybody"
		e.Hint = fmt.Sprintf("your token is not sent to %s, as http would show it to others: name an address with https in HF_ENDPOINT", h.Endpoint())
	case code == "GatedRepo" && h.token == "":
		e.Why = "is gated: its owners want to know who has it"
		e.Hint = fmt.Sprintf("open %s, accept their conditions, and give a token from %s/settings/tokens in HF_TOKEN", page, h.Endpoint())
	case code == "GatedRepo":
		e.Why = "is gated, and the account of your token has no access to it"
		e.Hint = fmt.Sprintf("open %s with that account and accept the conditions; the token must be allowed to read gated repositories", page)
	case code == "RevisionNotFound":
		e.Why = fmt.Sprintf("has no revision %s", of.revision)
		e.Hint = "its branches and tags are at " + page + "/tree/main"
	case code == "EntryNotFound":
		e.Why = fmt.Sprintf("has no file %s at revision %s", of.path, of.revision)
		e.Hint = ErrChanged.Error()
	case a.StatusCode == http.StatusUnauthorized && h.token != "" && code != "RepoNotFound":
		e.Why = "cannot be read with your token: " + said
		e.Hint = "make a new one at " + h.Endpoint() + "/settings/tokens and put it into HF_TOKEN, or unset that"
	case (a.StatusCode == http.StatusUnauthorized || a.StatusCode == http.StatusNotFound) && h.token == "":
		e.Why = "is not there, or is private"
		e.Hint = fmt.Sprintf("check its name at %s; for a private one, give a token that may read it in HF_TOKEN", h.Endpoint())
	case a.StatusCode == http.StatusUnauthorized || a.StatusCode == http.StatusNotFound:
		e.Why = "is not there, or your token may not read it"
		e.Hint = fmt.Sprintf("check its name, and the token's rights at %s/settings/tokens", h.Endpoint())
	case a.StatusCode == http.StatusForbidden:
		e.Why, e.Hint = "is forbidden to you: "+said, "see "+page
	case a.StatusCode == http.StatusUnavailableForLegalReasons || strings.Contains(said, "disabled"):
		e.Why, e.Hint = "has been closed by the hub: "+said, "see "+page
	default:
		e.Why = fmt.Sprintf("cannot be had: %s answers %s: %s", a.at.Host, a.Status, said)
	}
	return e
}

// said is what the hub itself says of an error, made fit to be printed.
func said(h http.Header) string {
	text := strings.TrimSpace(printable(h.Get("X-Error-Message"), 200))
	if text == "" {
		return "it does not say why"
	}
	return "it says “" + text + "”"
}

// rateLimit finds the seconds until the limit begins anew in a RateLimit header,
// such as "api";r=0;t=55.
var rateLimit = regexp.MustCompile(`;\s*t=(\d{1,6})\b`)

// waitOf is how long the server asks to wait; 0 if it does not say.
func waitOf(h http.Header) time.Duration {
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s >= 0 {
		return min(time.Duration(min(s, 1e6))*time.Second, maxWait)
	}
	if m := rateLimit.FindStringSubmatch(h.Get("RateLimit")); m != nil {
		s, _ := strconv.Atoi(m[1]) // six digits at most
		return min(time.Duration(s)*time.Second, maxWait)
	}
	return 0
}
