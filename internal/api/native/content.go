package native

import (
	"context"
	"net/http"
	"path"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

type contentIn struct {
	JobPath
	Role   job.Role `path:"role" enum:"video,image,thumbnail,spritesheet,preview" doc:"Which file; preview is the latest frame of a running job."`
	Number int      `query:"n" minimum:"0" maximum:"8" doc:"Which of several images, from 0."`
	R      string   `query:"r" maxLength:"32" doc:"Ignored: another value makes a browser ask for a newer preview."`
}

func (n *API) addContent() {
	op := operation{
		id: "get-content", method: http.MethodGet, path: jobsPath + "/{id}/files/{role}", scope: web.ScopeJobsRead, tag: "jobs",
		summary: "Get a file of a job's result", more: "The bytes themselves, at an address that stays the same. It answers range requests.",
		errors: []job.Code{job.Invalid, job.NotFound},
	}.of()
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The file.",
		Content:     map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
	huma.Register(n.huma, op, func(ctx context.Context, in *contentIn) (*huma.StreamResponse, error) {
		key, name, err := n.content(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			if err := web.ServeBlob(w, r, n.Service, key, name); err != nil {
				n.Fail(w, r, err)
			}
		}}, nil
	})
}

// content finds a file of a job, and the name that it is saved under.
func (n *API) content(ctx context.Context, in *contentIn) (key, name string, err error) {
	j, err := n.find(ctx, principal(ctx), in.ID)
	if err != nil {
		return "", "", err
	}
	if in.Role == rolePreview {
		key = j.Preview
	} else if j.Result != nil {
		left := in.Number
		for _, f := range j.Result.Files {
			if f.Role != in.Role {
				continue
			}
			if left == 0 {
				key = f.Key
				break
			}
			left--
		}
	}
	if key == "" {
		return "", "", job.Errorf(job.NotFound, "role", "the job %s, which is %s, has no such %s", in.ID, j.State, in.Role)
	}
	return key, string(in.Role) + "-" + j.ID.String() + path.Ext(key), nil
}
