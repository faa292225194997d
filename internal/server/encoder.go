package server

import (
	"context"

	"github.com/kinora-video/kinora"
)

// encoderNote describes limitations of how this process writes videos. It returns
// "" when there are none, or when ctx ends first.
func (s *Server) encoderNote(ctx context.Context) string {
	if s.cfg.Role == RoleAPI { // other processes write them
		return ""
	}
	found := make(chan string, 1)
	go func() {
		_, note, err := kinora.Encoder(kinora.MP4)
		if err != nil {
			note = "videos are animated WebP: " + err.Error()
		}
		found <- note
	}()
	select {
	case note := <-found:
		return note
	case <-ctx.Done():
		return ""
	}
}
