package server

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/store"
)

// renderer writes the bodies of webhooks and callbacks, each as its API has it.
type renderer struct{ backend Backend }

// openAIEvent is an event of OpenAI's webhooks.
type openAIEvent struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	CreatedAt int64  `json:"created_at"`
	Type      string `json:"type"`
	Data      struct {
		ID string `json:"id"`
	} `json:"data"`
}

// nativeEvent is an event of our own.
type nativeEvent struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      nativeJob `json:"data"`
}

// Render writes the body of a delivery: the job as it was when the event
// happened, with links made anew.
func (r renderer) Render(_ context.Context, d store.Delivery) ([]byte, error) {
	j := d.Snapshot
	switch {
	case d.Form == store.FormMiniMax:
		return json.Marshal(minimaxBody(r.backend, &j))
	case strings.HasPrefix(d.Event, "video."):
		e := openAIEvent{ID: d.EventID, Object: "event", CreatedAt: d.CreatedAt.Unix(), Type: d.Event}
		e.Data.ID = videoPrefix + j.ID.String()
		return json.Marshal(e)
	}
	return json.Marshal(nativeEvent{ID: d.EventID, Type: d.Event, Timestamp: d.CreatedAt.UTC(), Data: jobOf(r.backend, "", &j)})
}
