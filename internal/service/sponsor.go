package service

import (
	"cmp"
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
)

// SponsorPath begins the links that count clicks.
const SponsorPath = "/sponsor/"

// sponsorLinkTime is how long such a link counts.
const sponsorLinkTime = 24 * time.Hour

// SponsorText is what a job on a sponsored plan may show while it waits.
type SponsorText struct {
	Text  string // a line to show
	Image string // the URL of a picture to show beside it; "" for none
	Link  string // where it leads, by this server, which counts it; "" for nowhere
}

// Sponsors chooses who is shown, and counts it.
type Sponsors struct {
	service *Service

	mu    sync.Mutex
	shown map[job.ID]struct{}
}

// NewSponsors are the sponsors of a service.
func NewSponsors(s *Service) *Sponsors { return &Sponsors{service: s} }

// maxShown bounds what is remembered of who was shown what: beyond it the
// memory starts afresh, and an impression may be counted twice.
const maxShown = 10_000

// Show is the sponsor of a job that waits or runs, and counts that as shown, once
// for each job. Its link begins with base, or with the configured address.
func (s *Sponsors) Show(ctx context.Context, base string, j *job.Job) (SponsorText, bool) {
	sp, ok := meter.SponsorOf(s.service.Sponsors, j)
	if !ok {
		return SponsorText{}, false
	}
	if s.first(j.ID) {
		if err := s.service.Meter.CountImpression(context.WithoutCancel(ctx), sp.ID, j.Project); err != nil {
			s.service.Log.Warn("counting an impression", "sponsor", sp.ID, "error", err)
		}
	}
	line := SponsorText{Text: sp.Line, Image: sp.Image}
	if sp.Link != "" {
		path := SponsorPath + url.PathEscape(sp.ID) + "/" + j.ID.String()
		if l, err := s.service.Signer.Link("GET", path, "", time.Now().Add(sponsorLinkTime)); err == nil {
			line.Link = cmp.Or(base, s.service.Address) + l
		}
	}
	return line, true
}

func (s *Sponsors) first(id job.ID) bool {
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

// Click is where a click on a sponsor leads, "" where the sponsor is no longer
// there. With count the click is counted.
func (s *Sponsors) Click(ctx context.Context, sponsor string, id job.ID, count bool) string {
	for _, sp := range s.service.Sponsors {
		if sp.ID != sponsor {
			continue
		}
		if project, err := s.service.DB.ProjectOf(ctx, id); err == nil && count {
			if err := s.service.Meter.CountClick(ctx, sp.ID, project); err != nil {
				s.service.Log.Warn("counting a click", "sponsor", sp.ID, "error", err)
			}
		}
		return sp.Link
	}
	return ""
}
