package server

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/kinora-video/kinora/internal/api/minimax"
	"github.com/kinora-video/kinora/internal/api/native"
	"github.com/kinora-video/kinora/internal/api/openai"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
)

// renderer writes the bodies of webhooks and callbacks in the form of each API.
type renderer struct{ service *service.Service }

// Render writes the body of a delivery: the job as it was when the event
// happened, with fresh links.
func (r renderer) Render(_ context.Context, d store.Delivery) ([]byte, error) {
	switch {
	case d.Form == store.FormMiniMax:
		return json.Marshal(minimax.CallbackBody(r.service, &d.Snapshot))
	case strings.HasPrefix(d.Event, "video."):
		return json.Marshal(openai.EventOf(&d))
	}
	return json.Marshal(native.EventOf(r.service, &d))
}
