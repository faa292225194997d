package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/server"
)

// TestLogHasCauses: what is kept from customers is in the log, and in what a
// command prints to the operator: at any depth, and once.
func TestLogHasCauses(t *testing.T) {
	away := &job.Error{Code: job.Unavailable, Message: "try again", Err: &fs.PathError{Op: "write", Path: "/blobs/x", Err: errors.New("no route to host")}}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"plain":   {errors.New("cut"), "cut"},
		"its own": {away, "try again: write /blobs/x: no route to host"},
		"wrapped": {fmt.Errorf("end the job: %w", away), "end the job: try again: write /blobs/x: no route to host"},
		"nested":  {&job.Error{Message: "failed", Err: away}, "failed: try again: write /blobs/x: no route to host"},
		"joined":  {errors.Join(errors.New("one"), away), "one\ntry again: write /blobs/x: no route to host"},
		"said":    {fmt.Errorf("%w: %w", away, away.Err), "try again: write /blobs/x: no route to host"},
		"none":    {job.Errorf(job.Invalid, "n", "n is too large"), "n is too large"},
	} {
		if got := job.Detail(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		for _, format := range []string{"text", "json"} {
			var log, errs bytes.Buffer
			cfg := server.DefaultConfig()
			cfg.Log.Format = format
			newLog(&log, cfg).With("job", 7).WithGroup("g").Warn("an attempt failed", "error", tt.err)
			quoted := strings.ReplaceAll(tt.want, "\n", `\n`)
			if !strings.Contains(log.String(), quoted) {
				t.Errorf("%s: the %s log says %s", name, format, log.String())
			}
			report(t.Context(), tt.err, streams{&errs, &errs})
			if !strings.Contains(errs.String(), tt.want) {
				t.Errorf("%s: the command says %s", name, errs.String())
			}
		}
	}
}
