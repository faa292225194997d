package native

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/kinora-video/kinora/internal/api/native/docs"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/web"
)

func (n *API) addFeed() {
	op := operation{
		id: "follow-jobs", method: http.MethodGet, path: "/v1/events", scope: web.ScopeJobsRead, tag: "jobs",
		summary: "Follow all jobs of the project",
		more: "Server-sent events: \"hello\" at first, \"job\" for each job that comes or changes, with all of how it stands, \"queue\" for the places of the queued ones, and \"gone\" for a job that was deleted. " +
			"What happened before is not sent: list the jobs once the stream has begun, and keep of each job the event with the highest revision. Who comes back does the same. A comment comes every 15 seconds. " +
			"The stream counts as one of the project's requests that wait for jobs.",
	}.of()
	schemas := n.huma.OpenAPI().Components.Schemas
	event := func(name string, data any) *huma.Schema {
		return &huma.Schema{
			Type: huma.TypeObject, Required: []string{"event", "data"},
			Properties: map[string]*huma.Schema{
				"event": {Type: huma.TypeString, Enum: []any{name}},
				"data": {Type: huma.TypeString, Extensions: map[string]any{
					"contentMediaType": "application/json", docs.Event: schemas.Schema(reflect.TypeOf(data), true, ""),
				}},
			},
		}
	}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "A stream of events. The schema is that of each.",
		Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{OneOf: []*huma.Schema{
			event(eventHello, helloEvent{}), event(eventJob, Job{}), event(eventQueue, queueEvent{}), event(eventGone, goneEvent{}),
		}}}},
	}}
	huma.Register(n.huma, op, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			if err := n.followAll(w, r, principal(r.Context())); err != nil {
				n.Fail(w, r, err)
			}
		}}, nil
	})
}

// followAll answers with the events of a project until the reader or the server
// goes. An error comes before anything was written.
func (n *API) followAll(w http.ResponseWriter, r *http.Request, who auth.Principal) error {
	done, err := n.Service.StartWaiting(who)
	if err != nil {
		return err
	}
	defer done()
	ctx, stop := n.whileUp(r.Context())
	defer stop()
	events, leave := n.feeds.join(n, feedKey{who.Project.ID, web.BaseOf(r.Context())})
	defer leave()
	out := web.StartEvents(w)
	defer out.End()
	if out.Send(eventHello, 0, helloEvent{time.Now().UTC()}) != nil {
		return nil // the reader has gone
	}
	heartbeat := time.NewTicker(sseHeartbeat)
	defer heartbeat.Stop()
	for {
		var block []byte
		select {
		case <-ctx.Done():
			return nil
		case next, ok := <-events:
			if !ok {
				return nil // it lags behind, and begins anew
			}
			block = next
		case <-heartbeat.C:
			block = []byte(": still here\n\n")
		}
		if out.Write(block) != nil {
			return nil
		}
	}
}
