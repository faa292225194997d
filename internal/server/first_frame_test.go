package server

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestFramesOfTheirOwn: a repeated task has a copy of the first frame, so that
// either job can be deleted first together with its frame.
func TestFramesOfTheirOwn(t *testing.T) {
	for _, first := range []string{"source", "copy"} {
		t.Run(first, func(t *testing.T) {
			s, keys := realServer(t, nil)
			who := ownerOf(t, s, keys.API)
			picture := apitest.DataURI(320, 320)
			resp, body := call(t, s, "POST", "/v2/video_generation", keys.API,
				`{"model":"MiniMax-H3","content":[{"type":"text","text":"a ball"},{"type":"image_url","role":"first_frame","image_url":{"url":"`+picture+`"}}]}`)
			if resp.StatusCode != 200 {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			end := func(body string) job.Job {
				t.Helper()
				j, ok, err := s.db.Claim(t.Context(), "worker", s.cfg.Jobs.Lease, nil)
				if err != nil || !ok || !strings.Contains(body, j.ID.String()) {
					t.Fatalf("claimed %+v, %v, of %s", j, err, body)
				}
				done, err := s.db.Finish(t.Context(), j.ID, j.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{Width: 320, Height: 320, Seconds: 5}}, s.meter.Settle)
				if err != nil {
					t.Fatal(err)
				}
				return done
			}
			source := end(body)
			again := `{"source_task_id":"` + source.ID.String() + `"}`
			if resp, body = call(t, s, "POST", "/v2/video_regeneration", keys.API, again, "Idempotency-Key", "k"); resp.StatusCode != 200 {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			if resp, repeat := call(t, s, "POST", "/v2/video_regeneration", keys.API, again, "Idempotency-Key", "k"); resp.StatusCode != 200 || repeat != body {
				t.Fatalf("repeated: %d %s, want %s", resp.StatusCode, repeat, body)
			}
			remade := end(body)
			if n := blobsOf(t, s, blob.KindImage); n != 2 || remade.Spec.FirstFrame == source.Spec.FirstFrame {
				t.Fatalf("%d frames of two jobs: %s and %s", n, source.Spec.FirstFrame, remade.Spec.FirstFrame)
			}
			read := func(key string) []byte {
				t.Helper()
				r, _, err := s.blobs.Open(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				data, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				return data
			}
			frame := read(source.Spec.FirstFrame)
			gone, left := source, remade
			if first == "copy" {
				gone, left = remade, source
			}
			if err := s.service.Delete(t.Context(), who, gone.ID); err != nil {
				t.Fatal(err)
			}
			if got := read(left.Spec.FirstFrame); !bytes.Equal(got, frame) || blobsOf(t, s, blob.KindImage) != 1 {
				t.Errorf("%d bytes of the other's frame, want %d; %d frames", len(got), len(frame), blobsOf(t, s, blob.KindImage))
			}
			if err := s.service.Delete(t.Context(), who, left.ID); err != nil {
				t.Fatal(err)
			}
			if n := blobsOf(t, s, blob.KindImage); n != 0 {
				t.Errorf("%d frames are left", n)
			}
			_, err := s.service.CopyPicture(t.Context(), left.Spec.FirstFrame)
			if job.CodeOf(err) != job.NotFound {
				t.Errorf("a copy of a missing frame: %v", err)
			}
		})
	}
}

// TestAnimatedFirstFrame: the first picture of an animation is used, and the
// answer says so.
func TestAnimatedFirstFrame(t *testing.T) {
	s, keys := realServer(t, nil)
	red, blue := color.Palette{color.RGBA{255, 0, 0, 255}}, color.Palette{color.RGBA{0, 0, 255, 255}}
	all := image.Rect(0, 0, 320, 320)
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{image.NewPaletted(all, red), image.NewPaletted(all, blue)}, Delay: []int{1, 1}}); err != nil {
		t.Fatal(err)
	}
	resp, body := call(t, s, "POST", "/v2/video_generation", keys.API, `{"model":"MiniMax-H3","content":[{"type":"text","text":"a ball"},
		{"type":"image_url","role":"first_frame","image_url":{"url":"data:image/gif;base64,`+apitest.Base64(b.Bytes())+`"}}]}`)
	if resp.StatusCode != 200 || !strings.Contains(body, "its first picture is taken") {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	j, ok, err := s.db.Claim(t.Context(), "worker", s.cfg.Jobs.Lease, nil)
	if err != nil || !ok {
		t.Fatal(err)
	}
	r, _, err := s.blobs.Open(t.Context(), j.Spec.FirstFrame)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	img, err := png.Decode(r)
	if err != nil || color.RGBAModel.Convert(img.At(100, 100)) != red[0] {
		t.Errorf("it begins with %v, %v, want red", img.At(100, 100), err)
	}
}
