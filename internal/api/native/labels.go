package native

import (
	"context"
	"net/http"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

// jobChange is what PATCH /v1/jobs/{id} takes.
type jobChange struct {
	Starred *bool     `json:"starred,omitempty" doc:"Whether it has a star."`
	Tags    *[]string `json:"tags,omitempty" maxItems:"16" doc:"All of its tags: at most 16, of at most 40 characters each."`
	Before  string    `json:"before,omitempty" doc:"Another queued job of the project: this one gets its turn just before that, and its priority."`
}

type changeIn struct {
	JobPath
	Body jobChange
}

func (n *API) addLabels() {
	register(n, operation{
		id: "change-job", method: http.MethodPatch, path: jobsPath + "/{id}", scope: web.ScopeJobsWrite, tag: "jobs",
		summary: "Mark a job, or change its place in the queue", more: "What is left out stays as it is.",
		errors: []job.Code{job.Invalid, job.NotFound, job.Conflict},
	}, n.change)
}

func (n *API) change(ctx context.Context, in *changeIn) (*jobOut, error) {
	who := principal(ctx)
	j, err := n.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Body.Before != "" {
		other, err := n.find(ctx, who, in.Body.Before)
		if err != nil && job.CodeOf(err) == job.NotFound {
			return nil, job.Errorf(job.Invalid, "before", "before: there is no job %.40q", in.Body.Before)
		}
		if err == nil {
			err = n.Service.MoveBefore(ctx, who, j.ID, other.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	if in.Body.Starred != nil || in.Body.Tags != nil {
		if _, err = n.Service.Label(ctx, who, j.ID, store.Labels{Starred: in.Body.Starred, Tags: in.Body.Tags}); err != nil {
			return nil, err
		}
	}
	if j, err = n.Service.Job(ctx, who, j.ID); err != nil {
		return nil, err
	}
	shown, err := n.shown(ctx, &j)
	return &jobOut{shown}, err
}
