package worker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"slices"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/store"
)

// What accompanies a video.
const (
	watermarkText  = "AI"
	thumbnailSide  = 512 // pixels of its longer side, at most
	tileSide       = 256 // of a picture of the spritesheet, likewise
	spriteTiles    = 16
	spriteColumns  = 4
	noteWebP       = "the video is an animated WebP, as this server has no ffmpeg that can write MP4"
	noteSilent     = "the model makes sound, which an animated WebP cannot hold"
	noteNoAAC      = "the model makes sound, which this server's ffmpeg cannot write"
	purposeVideo   = "video_generation"
	purposeImage   = "image_generation"
	purposeThumb   = "thumbnail"
	purposeSprites = "spritesheet"
)

// video makes a video.
func (a *attempt) video(ctx context.Context) (*made, error) {
	e := a.Engines[a.job.Spec.Engine]
	if e == nil {
		return nil, job.Errorf(job.Unsupported, "model", "this worker has no model %q", a.job.Spec.Engine)
	}
	a.report.begin(0, 1)
	r, before, err := a.request(ctx, e.Capabilities())
	if err != nil {
		return nil, err
	}
	if r.Mixed() && media.CanWriteSound(ctx) != nil { // before anything is sampled
		return nil, job.Errorf(job.Unavailable, "", "this server's ffmpeg cannot write MP4 with sound now")
	}
	c, err := a.sample(ctx, e, r)
	if err != nil {
		return nil, err
	}
	defer c.Discard() //nolint:errcheck // its folder is removed too
	a.enter(phaseDrawing)
	format, mime, notes := kinora.MP4, "video/mp4", []string(nil)
	switch _, note, err := kinora.Encoder(kinora.MP4); {
	case err != nil:
		format, mime, notes = kinora.WebP, "image/webp", []string{noteWebP}
	case note != "":
		notes = []string{note}
	}
	video := a.path("video." + string(format))
	facts := c.Facts()
	from := 0
	if before != nil && a.job.Spec.Join {
		from = min(1, facts.Frames-1) // the first frame is already the last of the earlier video
	}
	notes = slices.Concat(notes, facts.Notes, soundNotes(ctx, facts, format))
	s := newStills(facts.Frames, from)
	if err := c.Save(ctx, video, from, s.at, s.show); err != nil {
		return nil, err
	}
	if s.err == nil && s.thumbnail == nil {
		s.err = errors.New("the engine showed no stills of the video")
	}
	if s.err != nil {
		return nil, s.err
	}
	if a.Review != nil {
		jpegs, err := s.jpegs()
		if err != nil {
			return nil, err
		}
		if err := a.Review(ctx, a.job, jpegs); err != nil {
			return nil, err
		}
	}
	a.enter(phaseStoring)
	out := &made{result: job.Result{
		Width: facts.Width, Height: facts.Height, FPS: facts.FPS, Frames: facts.Frames - from, Seed: a.job.Spec.Seed,
		Upscaled: facts.Upscaled, Notes: notes,
	}}
	out.result.Seconds = float64(out.result.Frames) / float64(facts.FPS)
	if before != nil && a.job.Spec.Join {
		if err := a.join(ctx, video, before, &out.result); err != nil {
			return nil, err
		}
	}
	if err := a.storeFile(ctx, out, job.RoleVideo, purposeVideo, blob.KindVideo, video, mime); err != nil {
		return nil, err
	}
	return out, a.storeStills(ctx, out, s)
}

// soundNotes explain why a video is silent although its model makes sound.
func soundNotes(ctx context.Context, f Facts, format kinora.Format) []string {
	switch {
	case !f.Sound:
		return nil
	case !format.HasSound():
		return []string{noteSilent}
	case media.CanWriteSound(ctx) != nil:
		return []string{noteNoAAC}
	}
	return nil
}

// earlier is the video that a job continues.
type earlier struct {
	path   string
	result job.Result
}

// request builds the engine's request. If the job continues an earlier video,
// request returns that too.
func (a *attempt) request(ctx context.Context, can kinora.Capabilities) (kinora.Request, *earlier, error) {
	s := &a.job.Spec
	r := kinora.Request{
		Prompt: s.Prompt, Seconds: s.Seconds, Seed: s.Seed, Steps: s.Steps, Guidance: s.Guidance,
		Width: s.Width, Height: s.Height, FPS: s.FPS, Latents: a.path("latents"),
		Progress: func(p kinora.Progress) { a.report.progress(p) },
		Preview:  a.report.preview,
	}
	if s.Watermark {
		r.Watermark = watermarkText
	}
	if s.FirstFrame != "" {
		img, err := a.firstFrame(ctx, s.FirstFrame)
		if err != nil {
			return r, nil, err
		}
		r.Image = img
	}
	if err := a.sounds(ctx, &r); err != nil {
		return r, nil, err
	}
	if s.After == 0 {
		return r, nil, nil
	}
	e, err := a.earlier(ctx)
	if err != nil {
		return r, nil, err
	}
	last, err := media.LastFrame(ctx, e.path)
	if err != nil {
		if ctx.Err() != nil {
			return r, nil, ctx.Err()
		}
		return r, nil, &job.Error{Code: job.Internal, Message: "the video to go on from could not be read", Err: err}
	}
	r.Image = last.Image()
	if s.Join {
		if r.Width == 0 && r.Height == 0 {
			r.Width, r.Height = e.result.Width, e.result.Height
		}
		if r.FPS == 0 {
			r.FPS = e.result.FPS
		}
		r.Seconds += 1 / float64(cmp.Or(r.FPS, can.Rate(0))) // its first frame is the earlier video's last
	}
	return r, e, nil
}

// firstFrame reads a first frame that the platform stored.
func (a *attempt) firstFrame(ctx context.Context, key string) (image.Image, error) {
	rd, _, err := a.Blobs.Open(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, &job.Error{Code: job.Invalid, Message: "the first frame is no longer stored: send it again", Err: err}
	}
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	frame, _, err := media.DecodeImageWithin(rd, media.ImageLimits{})
	if err != nil {
		return nil, fmt.Errorf("read the first frame %s: %w", key, err)
	}
	return frame.Image(), nil
}

// earlier fetches the video that the job continues.
func (a *attempt) earlier(ctx context.Context) (*earlier, error) {
	j, err := a.DB.Job(ctx, a.job.Project, a.job.Spec.After)
	if err != nil {
		if job.CodeOf(err) == job.NotFound {
			err = job.Errorf(job.Invalid, "", "job %s, whose video this one goes on from, no longer exists", a.job.Spec.After)
		}
		return nil, err
	}
	f, ok := j.Result.File(job.RoleVideo)
	if !ok {
		return nil, job.Errorf(job.Invalid, "", "job %s has no video to go on from", j.ID)
	}
	ext := ".mp4"
	if f.ContentType == "image/webp" {
		ext = ".webp"
	}
	path := a.path("before" + ext)
	if err := a.fetch(ctx, f.Key, path); err != nil {
		if errors.Is(err, blob.ErrNotFound) {
			err = job.Errorf(job.Invalid, "", "the video of job %s, which this one goes on from, is no longer stored", j.ID)
		}
		return nil, err
	}
	return &earlier{path: path, result: *j.Result}, nil
}

// fetch copies a blob into a file.
func (a *attempt) fetch(ctx context.Context, key, path string) error {
	rd, _, err := a.Blobs.Open(ctx, key)
	if err != nil {
		return err
	}
	defer rd.Close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, rd)
	return errors.Join(err, f.Close())
}

// join puts the earlier video in front of the new one.
func (a *attempt) join(ctx context.Context, video string, before *earlier, r *job.Result) error {
	if err := media.Join(ctx, video, []string{before.path, video}, media.JoinOptions{}); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &job.Error{Code: job.Internal, Message: "the video could not be joined to the one before", Err: err}
	}
	if before.result.Width == r.Width && before.result.Height == r.Height && before.result.FPS == r.FPS {
		r.Frames += before.result.Frames
		r.Seconds = float64(r.Frames) / float64(r.FPS)
		return nil
	}
	info, err := media.Inspect(ctx, video) // the joined file has the size and rate of the earlier video
	if err != nil {
		return err
	}
	r.Width, r.Height, r.Frames, r.Seconds = info.W, info.H, info.Frames, info.Duration.Seconds()
	r.FPS = max(1, int(math.Round(info.FPS)))
	return nil
}

// sample returns the clip whose frames are to be drawn. It uses latents that an
// earlier attempt kept, or samples new ones and keeps them for later attempts.
func (a *attempt) sample(ctx context.Context, e Engine, r kinora.Request) (Clip, error) {
	if key := a.job.Latents; key != "" {
		c, err := a.load(ctx, e, key, r)
		if err == nil {
			a.loaded = true
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		a.log.Warn("the kept latents cannot be used; the job is sampled again", "error", err)
	}
	a.enter(phaseSampling)
	c, err := e.Generate(ctx, r)
	if err != nil {
		return nil, err
	}
	if c.LatentsPath() == "" {
		return c, nil
	}
	if err := a.keep(ctx, c.LatentsPath()); err != nil {
		if ctx.Err() != nil || errors.Is(err, job.ErrLate) {
			return nil, errors.Join(err, c.Discard())
		}
		a.log.Warn("latents could not be stored; another attempt would sample again", "error", err)
	}
	return c, nil
}

func (a *attempt) load(ctx context.Context, e Engine, key string, r kinora.Request) (Clip, error) {
	path := a.path("kept")
	if err := a.fetch(ctx, key, path); err != nil {
		return nil, err
	}
	return e.Load(ctx, path, r)
}

// keep stores latents and writes their key into the job's row.
func (a *attempt) keep(ctx context.Context, path string) error {
	key, err := a.latentsKey()
	if err != nil {
		return err
	}
	if _, err := a.Blobs.PutFile(ctx, key, path, blob.Meta{}); err != nil {
		return err
	}
	err = a.DB.KeepLatents(ctx, a.job.ID, a.job.Attempt, key)
	if err != nil {
		a.own(key) // it is deleted unless the row refers to it
	}
	return err
}

// storeFile stores a file of the result.
func (a *attempt) storeFile(ctx context.Context, out *made, role job.Role, purpose, kind, path, mime string) error {
	key, err := blob.NewKey(kind, mime)
	if err != nil {
		return err
	}
	a.own(key)
	info, err := a.Blobs.PutFile(ctx, key, path, blob.Meta{ContentType: mime})
	if err != nil {
		return err
	}
	a.add(out, role, purpose, mime, info, image.Pt(out.result.Width, out.result.Height))
	return nil
}

// storeBytes is storeFile for bytes in memory.
func (a *attempt) storeBytes(ctx context.Context, out *made, role job.Role, purpose string, data []byte, mime string, size image.Point) error {
	key, err := blob.NewKey(blob.KindImage, mime)
	if err != nil {
		return err
	}
	a.own(key)
	info, err := a.Blobs.Put(ctx, key, bytes.NewReader(data), blob.Meta{ContentType: mime})
	if err != nil {
		return err
	}
	a.add(out, role, purpose, mime, info, size)
	return nil
}

// add adds a stored file to the result.
func (a *attempt) add(out *made, role job.Role, purpose, mime string, info blob.Info, size image.Point) {
	f := job.File{ID: store.NewID(), Role: role, Key: info.Key, ContentType: mime, Bytes: info.Size, SHA256: info.SHA256, Width: size.X, Height: size.Y}
	out.result.Files = append(out.result.Files, f)
	name := kinora.Slug(a.job.Prompt())
	if role == job.RoleThumbnail || role == job.RoleSpritesheet {
		name += "-" + string(role)
	}
	out.files = append(out.files, store.File{
		ID: f.ID, Project: a.job.Project, Purpose: purpose, Name: name + blob.ExtOf(mime), ContentType: mime,
		Key: f.Key, SHA256: f.SHA256, Bytes: f.Bytes, Job: a.job.ID,
	})
}

// storeStills stores thumbnail and spritesheet.
func (a *attempt) storeStills(ctx context.Context, out *made, s *stills) error {
	var buf bytes.Buffer
	if err := media.EncodeWebP(&buf, s.thumbnail); err != nil { // the format of OpenAI's API
		return err
	}
	if err := a.storeBytes(ctx, out, job.RoleThumbnail, purposeThumb, buf.Bytes(), "image/webp", s.thumbnail.Bounds().Size()); err != nil {
		return err
	}
	sheet := media.Spritesheet(s.tiles, spriteColumns)
	buf = bytes.Buffer{}
	if err := media.EncodeJPEG(&buf, sheet); err != nil {
		return err
	}
	return a.storeBytes(ctx, out, job.RoleSpritesheet, purposeSprites, buf.Bytes(), "image/jpeg", sheet.Bounds().Size())
}

// stills are pictures of a video, taken while it is written.
type stills struct {
	at        []int
	middle    int // the frame of the thumbnail
	thumbnail image.Image
	tiles     []image.Image
	err       error
}

// newStills plans the stills of a video that is written from frame number from
// on.
func newStills(frames, from int) *stills {
	s := &stills{middle: from}
	for _, i := range media.Spread(frames-from, spriteTiles) {
		s.at = append(s.at, from+i)
	}
	if len(s.at) > 0 {
		s.middle = s.at[len(s.at)/2]
	}
	return s
}

// show takes a frame, if it is one of the planned.
func (s *stills) show(i int, frame *image.RGBA) {
	if s.err != nil || !slices.Contains(s.at, i) {
		return
	}
	tile, err := media.Thumbnail(frame, tileSide)
	if err != nil {
		s.err = err
		return
	}
	s.tiles = append(s.tiles, tile)
	if i == s.middle {
		s.thumbnail, s.err = media.Thumbnail(frame, thumbnailSide)
	}
}

// jpegs returns the tiles as JPEG.
func (s *stills) jpegs() (out [][]byte, err error) {
	for _, img := range s.tiles {
		var buf bytes.Buffer
		if err := media.EncodeJPEG(&buf, img); err != nil {
			return nil, err
		}
		out = append(out, buf.Bytes())
	}
	return out, nil
}
