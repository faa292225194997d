package server

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// serveMedia answers signed links. They need no key.
func (s *Server) serveMedia(w http.ResponseWriter, r *http.Request) {
	err := s.signer.Verify(r.Method, r.URL.Path, r.URL.Query(), time.Now())
	switch {
	case errors.Is(err, blob.ErrExpired):
		http.Error(w, err.Error(), http.StatusGone)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	key := strings.TrimPrefix(r.URL.Path, service.MediaPath)
	if err := web.ServeBlob(w, r, s.service, key, r.URL.Query().Get(blob.ParamFilename)); err != nil {
		e := job.AsError(err)
		web.InfoOf(r.Context()).Err = e.Err
		status := http.StatusServiceUnavailable
		if e.Code == job.NotFound {
			status = http.StatusNotFound
		}
		http.Error(w, e.Message, status)
	}
}

// sponsorClick counts a click and redirects to the sponsor. Links are signed, so
// nobody can inflate the count or use the server to redirect elsewhere.
func (s *Server) sponsorClick(w http.ResponseWriter, r *http.Request) {
	if err := s.signer.Verify(r.Method, r.URL.Path, r.URL.Query(), time.Now()); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	id, err := job.ParseID(r.PathValue("job"), "")
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	link := s.sponsors.Click(r.Context(), r.PathValue("sponsor"), id, r.Method == http.MethodGet)
	if link == "" {
		http.Error(w, "this sponsor no longer exists", http.StatusNotFound)
		return
	}
	http.Redirect(w, r, link, http.StatusFound)
}
