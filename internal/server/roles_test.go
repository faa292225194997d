package server

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/service"
)

// TestWorkerIsWatched: a process that only runs jobs answers monitoring requests
// and no others.
func TestWorkerIsWatched(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Role = RoleWorker })
	for path, part := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": "kinora_jobs{"} {
		if resp, body := call(t, s, "GET", path, "", ""); resp.StatusCode != http.StatusOK || !strings.Contains(body, part) {
			t.Errorf("%s: %d %.200s", path, resp.StatusCode, body)
		}
	}
	for _, path := range []string{"/", "/docs", "/v1/jobs", "/v1/videos", "/v1/query/video_generation?task_id=1", service.MediaPath + "video/x"} {
		if resp, body := call(t, s, "GET", path, keys.API, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %.200s", path, resp.StatusCode, body)
		}
	}
	s.db.Close()
	if resp, body := call(t, s, "GET", "/readyz", "", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz without a database: %d %s", resp.StatusCode, body)
	}
}

// TestLinksThatLeadNowhereAreWarnedOf: at start the log warns if links that are
// sent to others name an address of this machine.
func TestLinksThatLeadNowhereAreWarnedOf(t *testing.T) {
	for public, warned := range map[string]bool{"": true, "https://video.example.com/": false} {
		var log bytes.Buffer
		s, _ := realServer(t, func(c *Config) { c.PublicURL, c.Listen = public, "127.0.0.1:8099" })
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Run(ctx, ln); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "public_url is not set") && strings.Contains(log.String(), "http://127.0.0.1:8099"); got != warned {
			t.Errorf("with public_url %q the log says:\n%s", public, &log)
		}
	}
}
