package native

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/kinora-video/kinora/internal/api/native/docs"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

type eventsIn struct {
	JobPath
	LastEventID string `header:"Last-Event-ID" doc:"The id of the last event that was read: only what is newer is sent. Browsers send it when they come back."`
	Preview     string `query:"preview" enum:"url,inline" default:"url" doc:"How preview frames come: as a signed link, or in the event as a data: URI."`
}

func (n *API) addEvents() {
	op := operation{
		id: "follow-job", method: http.MethodGet, path: "/v1/jobs/{id}/events", scope: web.ScopeJobsRead, tag: "jobs",
		summary: "Follow a job",
		more: "Server-sent events: \"state\" at first and for each change of state, \"progress\" for what else changes (per cent, phase, time left, place in the queue, preview), \"sponsor\" where the plan has one, and \"error\" when the stream, but not the job, has to end. " +
			"Each event says all of how the job stands, so a slow reader misses steps and no facts. The id of an event is the job's revision. The stream ends with a final state; a reader that has seen that gets 204. A comment comes every 15 seconds. A project may have a limited number of streams open, ?wait= of GET /v1/jobs/{id} counted with them.",
		errors: []job.Code{job.Invalid, job.NotFound},
	}.of()
	schemas := n.huma.OpenAPI().Components.Schemas
	event := func(name string, data any) *huma.Schema {
		return &huma.Schema{
			Type: huma.TypeObject, Required: []string{"event", "data"},
			Properties: map[string]*huma.Schema{
				"event": {Type: huma.TypeString, Enum: []any{name}},
				"id":    {Type: huma.TypeString, Description: "The job's revision."},
				"data": {Type: huma.TypeString, Extensions: map[string]any{
					"contentMediaType": "application/json", docs.Event: schemas.Schema(reflect.TypeOf(data), true, ""),
				}},
			},
		}
	}
	op.Responses = map[string]*huma.Response{
		"200": {
			Description: "A stream of events. The schema is that of each.",
			Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{OneOf: []*huma.Schema{
				event(eventState, jobEvent{}), event(eventProgress, jobEvent{}), event(eventSponsor, SponsorLine{}), event(eventError, JobError{}),
			}}}},
		},
		"204": {Description: "The job is final, and Last-Event-ID says that this was read."},
	}
	huma.Register(n.huma, op, func(ctx context.Context, in *eventsIn) (*huma.StreamResponse, error) {
		last, err := web.LastEventID(in.LastEventID)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			if err := n.follow(w, r, principal(ctx), in.ID, last, in.Preview == "inline"); err != nil {
				n.Fail(w, r, err)
			}
		}}, nil
	})
}
