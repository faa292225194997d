package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/server"
	"github.com/kinora-video/kinora/internal/service"
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

// TestVariants: a name with a decoder or a LoRA of its own gets an engine of its own, and
// what the model does not take is refused before the server starts.
func TestVariants(t *testing.T) {
	dir := t.TempDir()
	lora := filepath.Join(dir, "a.safetensors")
	if err := os.WriteFile(lora, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pool := kinora.NewPool(0)
	for _, c := range []struct {
		model service.ModelName
		want  string
	}{
		{service.ModelName{Name: "x", Engine: "testcard", Decoder: "tiny"}, "models[1], x: "},
		{service.ModelName{Name: "x", Engine: "reel", LoRAs: []string{lora + ":0.5"}}, "LoRA: the model reel takes none"},
		{service.ModelName{Name: "x", Engine: "reel", LoRAs: []string{filepath.Join(dir, "b.safetensors")}}, "no such file"},
		{service.ModelName{Name: "x", Engine: "reel", LoRAs: []string{""}}, `lora "": it names no file`},
	} {
		cfg := server.DefaultConfig()
		cfg.Models = []service.ModelName{{Name: "reel", Engine: "reel"}, c.model}
		if err := nameVariants(pool, &cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.model, err)
		}
	}
}
