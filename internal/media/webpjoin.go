package media

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"strconv"
	"time"
)

// maxXMP bounds the metadata of a WebP that is read.
const maxXMP = 1 << 20

// sameWebP says whether the frames of all parts can be copied, as they are, into one
// animated WebP: the first frame of each part has to cover the whole picture.
func sameWebP(parts []part) bool {
	for _, p := range parts {
		f := p.webp
		if f == nil || f.alpha || f.w != parts[0].webp.w || f.h != parts[0].webp.h || f.frames[0].box != image.Rect(0, 0, f.w, f.h) {
			return false
		}
		for _, frame := range f.frames {
			if !frame.plain() {
				return false
			}
		}
	}
	return true
}

// evenWebP says whether all frames of all parts are shown equally long, except for
// the rounding to milliseconds.
func evenWebP(parts []part) bool {
	fps := parts[0].info.FPS
	for _, p := range parts {
		if p.info.FPS != fps || fps == 0 {
			return false
		}
		for _, frame := range p.webp.frames {
			if math.Abs(frame.shown.Seconds()-1/fps) > 0.001 {
				return false
			}
		}
	}
	return true
}

// appendWebP copies the frames of all parts into the target. Each frame keeps its
// duration, unless all have the same: then durations are rounded again for the whole
// video, so that the rounding errors of the parts do not add up.
func appendWebP(ctx context.Context, t *target, parts []part) error {
	first := parts[0].info
	e := &webpVideo{ctx: ctx, target: t, o: Options{W: first.W, H: first.H, FPS: first.FPS, Meta: joinedMeta(parts)}}
	even := evenWebP(parts)
	if err := e.write(e.header(0)); err != nil {
		return err
	}
	var chunk []byte
	for _, p := range parts {
		for _, frame := range p.webp.frames {
			if ctx.Err() != nil {
				return fmt.Errorf("media: writing %s was stopped: %w", t.path, context.Cause(ctx))
			}
			var err error
			if chunk, err = p.webp.chunk(chunk, frame); err != nil {
				return &BadPart{p.path, err}
			}
			if even {
				append24(chunk[:8+12], e.duration())
			}
			if err := e.write(chunk); err != nil {
				return err
			}
			e.frames++
		}
	}
	if err := e.finish(); err != nil {
		return err
	}
	return t.commit()
}

// chunk reads the whole ANMF chunk of a frame into b, which may grow.
func (f *webpInput) chunk(b []byte, frame webpFrame) ([]byte, error) {
	const head = 8 + 16 // before the picture
	if frame.size > MaxWebPBytes {
		return b, fmt.Errorf("media: a frame of %s has more than %d MiB: %w", f.path, MaxWebPBytes>>20, ErrTooLarge)
	}
	n := int(head + frame.size)
	if cap(b) < n+1 {
		b = make([]byte, n+1)
	}
	b = b[:n]
	if _, err := f.r.ReadAt(b, frame.at-head); err != nil && !errors.Is(err, io.EOF) {
		return b, fmt.Errorf("media: reading %s: %w", f.path, err)
	}
	if n%2 != 0 {
		b = append(b, 0)
	}
	return b, nil
}

// each draws the pictures one after another. A picture is valid until yield returns.
// end is the time from the video's beginning until which it is shown.
func (f *webpInput) each(ctx context.Context, yield func(picture Frame, end time.Duration) error) error {
	canvas := whiteFrame(f.w, f.h)
	var end time.Duration
	for i, frame := range f.frames {
		if ctx.Err() != nil {
			return fmt.Errorf("media: reading %s was stopped: %w", f.path, context.Cause(ctx))
		}
		img, err := f.picture(frame)
		if err != nil {
			return &BadPart{f.path, err}
		}
		if i > 0 && f.frames[i-1].goes {
			canvas.clear(f.frames[i-1].box)
		}
		frame.paint(canvas, img)
		end += frame.shown
		if err := yield(canvas, end); err != nil {
			return err
		}
	}
	return nil
}

// drawWebP yields the frames of a part in the size and at the rate of another.
func (p part) drawWebP(ctx context.Context, to Options, yield func(rgb []byte) error) error {
	drawn := 0
	return p.webp.each(ctx, func(f Frame, end time.Duration) error {
		// Take what is shown in the middle of a frame's time, because beginnings and
		// ends are rounded to milliseconds.
		if (float64(drawn)+0.5)/to.FPS >= end.Seconds() {
			return nil
		}
		f, err := Fit(f, to.W, to.H)
		if err != nil {
			return &BadPart{p.path, err}
		}
		for ; (float64(drawn)+0.5)/to.FPS < end.Seconds(); drawn++ {
			if err := yield(f.Pix); err != nil {
				return err
			}
		}
		return nil
	})
}

// info returns what Inspect says of the video.
func (f *webpInput) info() VideoInfo {
	i := VideoInfo{W: f.w, H: f.h, Duration: f.duration, Frames: len(f.frames), Codec: "webp", Tags: map[string]string{}}
	if f.duration > 0 {
		i.FPS = float64(i.Frames) / f.duration.Seconds()
		// The end is rounded to milliseconds: if a whole rate gives the same end, the
		// video has that rate.
		if whole := math.Round(i.FPS); whole > 0 && math.Abs(float64(i.Frames)/whole-f.duration.Seconds()) <= 0.0005 {
			i.FPS = whole
		}
	}
	return i
}

// readMeta reads the metadata at an offset in the file. It ignores metadata that this
// package did not write.
func (f *webpInput) readMeta(at, size int64) error {
	if f.told || size > maxXMP {
		return nil
	}
	f.told = true
	b := make([]byte, size)
	if _, err := f.r.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("media: reading %s: %w", f.path, err)
	}
	f.meta = metaOfXMP(b)
	return nil
}

// metaOfXMP is the inverse of xmpPacket.
func metaOfXMP(packet []byte) Meta {
	const iptc, kinora = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "urn:kinora:meta"
	d := xml.NewDecoder(bytes.NewReader(packet))
	for {
		token, err := d.Token()
		if err != nil {
			return Meta{}
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Description" {
			continue
		}
		var m Meta
		marked := false
		for _, a := range start.Attr {
			switch a.Name {
			case xml.Name{Space: iptc, Local: "DigitalSourceType"}:
				marked = a.Value == digitalSource
			case xml.Name{Space: kinora, Local: "model"}:
				m.Model = a.Value
			case xml.Name{Space: kinora, Local: "prompt"}:
				m.Prompt = a.Value
			case xml.Name{Space: kinora, Local: "settings"}:
				m.Settings = clean(a.Value, MaxSettings)
			case xml.Name{Space: kinora, Local: "seed"}:
				if m.Seed, err = strconv.ParseUint(a.Value, 10, 64); err != nil {
					return Meta{}
				}
			}
		}
		if marked {
			return m
		}
	}
}
