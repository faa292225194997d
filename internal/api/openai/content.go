package openai

import (
	"net/http"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// variants are the files of a video that can be downloaded.
var variants = map[string]job.Role{"": job.RoleVideo, "video": job.RoleVideo, "thumbnail": job.RoleThumbnail, "spritesheet": job.RoleSpritesheet}

// part serves what lies below a video, and refuses characters.
func (a *API) part(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	id, part := r.PathValue("id"), r.PathValue("part")
	if id == "characters" {
		a.Fail(w, r, job.Errorf(job.NotFound, "", "there is no character %.60q: this server's models know none", part))
		return
	}
	if err := a.content(w, r, who, id); err != nil {
		a.Fail(w, r, err)
	}
}

// content sends a file of a video. An error is for the caller to answer with:
// nothing was written then.
func (a *API) content(w http.ResponseWriter, r *http.Request, who auth.Principal, id string) error {
	if err := onlyParameters(r, "variant"); err != nil {
		return err
	}
	variant := r.URL.Query().Get("variant")
	role, ok := variants[variant]
	if !ok {
		return job.Errorf(job.Invalid, "variant", "variant is %.30q: it must be video, thumbnail or spritesheet", variant)
	}
	j, err := a.find(r.Context(), who, id)
	if err != nil {
		return err
	}
	switch {
	case !j.State.Final():
		return web.NewOpenAIError("video_not_ready", job.Errorf(job.Conflict, "", "the video is not ready yet: it is %s, and %d per cent done", statuses[j.State], videoOf(&j).Progress))
	case j.State != job.Succeeded:
		return job.Errorf(job.NotFound, "", "there is no video to download: %s", service.WhyNot(&j).Message)
	}
	file, ok := j.Result.File(role)
	if !ok {
		return job.Errorf(job.NotFound, "variant", "this video has no %s", role)
	}
	return sendFile(w, r, a.service, file, VideoPrefix+j.ID.String())
}

// sendFile answers with a file of a result: ranges and conditions are
// net/http's, the entity tag is the file's digest. An error comes before
// anything was written.
func sendFile(w http.ResponseWriter, r *http.Request, b web.Blobs, f job.File, name string) error {
	body, _, err := b.OpenBlob(r.Context(), f.Key)
	if err != nil {
		return err
	}
	defer body.Close()
	h := w.Header()
	h.Set("Content-Type", f.ContentType)
	h.Set("Cache-Control", "private, max-age=3600, immutable")
	if f.SHA256 != "" {
		h.Set("ETag", `"`+f.SHA256+`"`)
	}
	h.Set("Content-Disposition", `inline; filename="`+name+blob.ExtOf(f.ContentType)+`"`)
	http.ServeContent(w, r, "", time.Time{}, body)
	return nil
}
