package server

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/web"
)

// sponsorPath begins the links that count clicks.
const sponsorPath = "/sponsor/"

// sponsorLinkTime is how long such a link counts.
const sponsorLinkTime = 24 * time.Hour

// sponsors chooses who is shown, and counts it.
type sponsors struct {
	*service

	mu    sync.Mutex
	shown map[job.ID]struct{}
}

// maxShown bounds what is remembered of who was shown what: beyond it the
// memory starts afresh, and an impression may be counted twice.
const maxShown = 10_000

// Show is the sponsor of a job that waits or runs.
func (s *sponsors) Show(ctx context.Context, _ auth.Principal, j job.Job) (SponsorLine, bool) {
	sp, ok := meter.SponsorOf(s.cfg.Sponsors, &j)
	if !ok {
		return SponsorLine{}, false
	}
	if s.first(j.ID) {
		if err := s.meter.CountImpression(context.WithoutCancel(ctx), sp.ID, j.Project); err != nil {
			s.log.Warn("counting an impression", "sponsor", sp.ID, "error", err)
		}
	}
	line := SponsorLine{Text: sp.Line, Image: sp.Image}
	if sp.Link != "" {
		path := sponsorPath + url.PathEscape(sp.ID) + "/" + j.ID.String()
		if l, err := s.signer.Link(http.MethodGet, path, "", time.Now().Add(sponsorLinkTime)); err == nil {
			line.Link = web.InfoOf(ctx).Base + l
		}
	}
	return line, true
}

func (s *sponsors) first(id job.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, seen := s.shown[id]; seen {
		return false
	}
	if s.shown == nil || len(s.shown) >= maxShown {
		s.shown = map[job.ID]struct{}{}
	}
	s.shown[id] = struct{}{}
	return true
}

// click counts a click and leads on to the sponsor. Links are signed, so nobody
// counts clicks up or uses the server to lead elsewhere.
func (s *sponsors) click(w http.ResponseWriter, r *http.Request) {
	if err := s.signer.Verify(r.Method, r.URL.Path, r.URL.Query(), time.Now()); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	id, err := job.ParseID(r.PathValue("job"), "")
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	for _, sp := range s.cfg.Sponsors {
		if sp.ID != r.PathValue("sponsor") {
			continue
		}
		if project, err := s.db.ProjectOf(r.Context(), id); err == nil && r.Method == http.MethodGet {
			if err := s.meter.CountClick(r.Context(), sp.ID, project); err != nil {
				s.log.Warn("counting a click", "sponsor", sp.ID, "error", err)
			}
		}
		http.Redirect(w, r, sp.Link, http.StatusFound)
		return
	}
	http.Error(w, "this sponsor is no longer there", http.StatusNotFound)
}
