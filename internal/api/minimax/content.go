package minimax

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
)

// Roles of V2's content.
const (
	roleFirst = "first_frame"
	roleLast  = "last_frame"
	roleImage = "reference_image"
	roleVideo = "reference_video"
	roleAudio = "reference_audio"
	roleBase  = "base_video"
)

// Limits of V2's content.
const (
	maxImagesV2 = 9
	maxVideosV2 = 3
	maxSoundsV2 = 3
	maxFilesV2  = 12
)

// rolesOf are the roles that a type of content may have.
var rolesOf = map[string][]string{
	"text":      {""},
	"image_url": {"", roleFirst, roleLast, roleImage},
	"video_url": {roleVideo, roleBase},
	"audio_url": {roleAudio},
}

// contentV2 is the content of a V2 request, by role.
type contentV2 struct {
	prompt string
	// urls and the places they are at, such as content[1].image_url.url.
	urls, at map[string][]string
	images   int
	videos   int
	sounds   int
}

// contentOf checks content against V2's rules, and not yet against what local
// models do.
func contentOf(items []fieldValues) (contentV2, error) {
	c := contentV2{urls: map[string][]string{}, at: map[string][]string{}}
	texts := 0
	for i, item := range items {
		at := fmt.Sprintf("content[%d]", i)
		kind, role := item.text("type"), item.text("role")
		for other := range rolesOf {
			if other != kind && item.has(other) {
				return c, job.Errorf(job.Invalid, at+"."+other, "%s.%s is there, but the item's type is %s", at, other, kind)
			}
		}
		if !slices.Contains(rolesOf[kind], role) {
			return c, job.Errorf(job.Invalid, at+".role", "%s.role is %q: an item of type %s has one of: %s", at, role, kind, roleList(kind))
		}
		if kind == "text" {
			if strings.TrimSpace(item.text("text")) == "" {
				return c, job.Errorf(job.Invalid, at+".text", "%s.text is empty: say what should happen in the video", at)
			}
			c.prompt = item.text("text")
			texts++
			continue
		}
		if !item.has(kind) {
			return c, job.Errorf(job.Invalid, at+"."+kind, "%s.%s is missing: it must be an object with a url", at, kind)
		}
		path := at + "." + kind + ".url"
		url := item.object(kind).text("url")
		if !isMediaURL(url) {
			return c, job.Errorf(job.Invalid, path, "%s must be an http(s) URL, a data: URI or mm_file://ID", path)
		}
		c.count(kind)
		c.urls[role], c.at[role] = append(c.urls[role], url), append(c.at[role], path)
	}
	if texts != 1 {
		return c, job.Errorf(job.Invalid, "content", "content has %d texts: exactly one item must have the type text", texts)
	}
	return c, c.settle()
}

func (c *contentV2) count(kind string) {
	switch kind {
	case "image_url":
		c.images++
	case "video_url":
		c.videos++
	default:
		c.sounds++
	}
}

// settle gives a single image without a role its role, and holds the roles to
// the rules between them.
func (c *contentV2) settle() error {
	bad := func(format string, args ...any) error {
		return job.Errorf(job.Invalid, "content", "content: "+format, args...)
	}
	if n := len(c.urls[""]); n > 0 {
		if c.images > 1 {
			return bad("%s has no role: each of several images needs one", strings.TrimSuffix(c.at[""][0], ".image_url.url"))
		}
		c.urls[roleFirst], c.at[roleFirst] = c.urls[""], c.at[""]
		delete(c.urls, "")
		delete(c.at, "")
	}
	frames := len(c.urls[roleFirst]) + len(c.urls[roleLast])
	references := len(c.urls[roleImage]) + len(c.urls[roleVideo]) + len(c.urls[roleAudio])
	switch {
	case c.images > maxImagesV2:
		return bad("it has %d images: the limit is %d", c.images, maxImagesV2)
	case c.videos > maxVideosV2:
		return bad("it has %d videos: the limit is %d", c.videos, maxVideosV2)
	case c.sounds > maxSoundsV2:
		return bad("it has %d sounds: the limit is %d", c.sounds, maxSoundsV2)
	case c.images+c.videos+c.sounds > maxFilesV2:
		return bad("it has %d files: the limit is %d", c.images+c.videos+c.sounds, maxFilesV2)
	case len(c.urls[roleFirst]) > 1, len(c.urls[roleLast]) > 1:
		return bad("it has more than one first_frame or last_frame")
	case frames > 0 && references > 0:
		return bad("frames (first_frame, last_frame) and references exclude each other")
	case c.sounds > 0 && c.images+c.videos == 0:
		return bad("a reference_audio needs an image or a video beside it")
	case len(c.urls[roleBase]) > 0 && c.images+c.videos+c.sounds > 1:
		return bad("a base_video stands alone")
	}
	return nil
}

// unable refuses what no local model does.
func (c *contentV2) unable() error {
	for _, no := range []struct{ role, why string }{
		{roleLast, service.NoLastFrame}, {roleImage, service.NoReference}, {roleVideo, service.NoReference}, {roleAudio, service.NoReference}, {roleBase, service.NoBaseVideo},
	} {
		if at := c.at[no.role]; len(at) > 0 {
			return job.Errorf(job.Unsupported, at[0], "%s: %s", at[0], no.why)
		}
	}
	return nil
}

// isMediaURL says whether a string may name media; whether it can be fetched
// is seen when it is.
func isMediaURL(s string) bool { return service.HasScheme(s, "http", "https", "data", "mm_file") }

func roleList(kind string) string {
	var names []string
	for _, r := range rolesOf[kind] {
		if r == "" {
			r = "none"
		}
		names = append(names, r)
	}
	return strings.Join(names, ", ")
}
