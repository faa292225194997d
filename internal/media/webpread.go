package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"io"
	"slices"
	"time"
)

// Limits on an animated WebP to be read. Its canvas has the same limits as other
// videos.
const (
	// maxWebPFrames is a little more than an hour at 120 frames a second.
	maxWebPFrames = 1 << 19
	// maxWebPChunks bounds the work on a file of tiny chunks.
	maxWebPChunks = 1 << 20
)

// webpInput is an animated WebP to be read: its canvas, and where its frames lie
// in the file.
type webpInput struct {
	r        io.ReaderAt
	file     io.Closer
	path     string
	w, h     int
	alpha    bool // pictures may be transparent
	duration time.Duration
	frames   []webpFrame
	meta     Meta
	told     bool // its metadata has been read
}

// webpFrame is one ANMF chunk: its place on the canvas, and where its picture is in
// the file.
type webpFrame struct {
	box   image.Rectangle
	at    int64
	size  int64
	shown time.Duration
	blend bool // its transparent parts show what was in its box before
	goes  bool // after its time, its box becomes transparent
}

// plain says that the frame replaces what is in its box, and stays.
func (f webpFrame) plain() bool { return !f.blend && !f.goes }

// isWebP says whether a file begins as a WebP does.
func isWebP(r io.ReaderAt) bool {
	var b [12]byte
	_, err := r.ReadAt(b[:], 0)
	return err == nil && string(b[:4]) == "RIFF" && string(b[8:]) == "WEBP"
}

// scanWebP reads the chunks of an untrusted animated WebP and records where its frames
// are.
func scanWebP(ctx context.Context, path string, r io.ReaderAt, size int64) (*webpInput, error) {
	f := &webpInput{r: r, path: path}
	at := int64(12)
	for chunks := 0; at+8 <= size; chunks++ {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("media: reading %s was stopped: %w", path, context.Cause(ctx))
		}
		var head [8]byte
		if _, err := r.ReadAt(head[:], at); err != nil {
			return nil, fmt.Errorf("media: reading %s: %w", path, err)
		}
		body := int64(binary.LittleEndian.Uint32(head[4:]))
		switch {
		case chunks == maxWebPChunks || len(f.frames) == maxWebPFrames:
			return nil, fmt.Errorf("media: %s has more than %d frames or parts: %w", path, maxWebPFrames, ErrTooLarge)
		case at+8+body > size:
			return nil, f.broken("it is cut off")
		}
		var err error
		switch string(head[:4]) {
		case "VP8X":
			err = f.canvas(at+8, body)
		case "ANMF":
			err = f.frame(at+8, body)
		case "XMP ":
			err = f.readMeta(at+8, body)
		}
		if err != nil {
			return nil, err
		}
		at += 8 + body + body&1
	}
	if len(f.frames) == 0 {
		return nil, f.broken("it has no frames")
	}
	return f, nil
}

func (f *webpInput) broken(why string) error {
	return fmt.Errorf("media: %s is no animated WebP that can be read: %s", f.path, why)
}

// canvas reads the VP8X chunk.
func (f *webpInput) canvas(at, size int64) error {
	var b [10]byte
	if size < int64(len(b)) || f.w > 0 {
		return f.broken("its header is damaged")
	}
	if _, err := f.r.ReadAt(b[:], at); err != nil {
		return fmt.Errorf("media: reading %s: %w", f.path, err)
	}
	const alpha = 1 << 4
	f.alpha = b[0]&alpha != 0
	f.w, f.h = 1+uint24(b[4:]), 1+uint24(b[7:])
	return checkVideoSize(f.path, f.w, f.h)
}

// frame reads the head of an ANMF chunk.
func (f *webpInput) frame(at, size int64) error {
	var b [16]byte
	if size < int64(len(b)) || f.w == 0 {
		return f.broken("a frame is damaged")
	}
	if _, err := f.r.ReadAt(b[:], at); err != nil {
		return fmt.Errorf("media: reading %s: %w", f.path, err)
	}
	box := boxOf(b[:])
	if !box.In(image.Rect(0, 0, f.w, f.h)) {
		return f.broken("a frame lies outside of the picture")
	}
	const dispose, doNotBlend = 1 << 0, 1 << 1
	shown := time.Duration(uint24(b[12:])) * time.Millisecond
	f.duration += shown
	f.frames = append(f.frames, webpFrame{
		box: box, at: at + int64(len(b)), size: size - int64(len(b)), shown: shown,
		blend: b[15]&doNotBlend == 0, goes: b[15]&dispose != 0,
	})
	return nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// last draws the last picture.
func (f *webpInput) last(ctx context.Context) (Frame, error) {
	if slices.ContainsFunc(f.frames, func(frame webpFrame) bool { return !frame.plain() }) {
		return f.lastOfAll(ctx)
	}
	return f.lastBackwards(ctx)
}

// lastOfAll draws one picture after another, from the last one on that does not depend
// on those before it.
func (f *webpInput) lastOfAll(ctx context.Context) (Frame, error) {
	from := len(f.frames) - 1
	for from > 0 && (f.frames[from].blend || f.frames[from].box != image.Rect(0, 0, f.w, f.h)) {
		from--
	}
	tail := *f
	tail.frames = f.frames[from:]
	var last Frame
	err := tail.each(ctx, func(picture Frame, _ time.Duration) error { last = picture; return nil })
	if bad, ok := errors.AsType[*BadPart](err); ok {
		err = bad.Err
	}
	return last, err
}

// lastBackwards draws the last picture of plain frames. Each pixel comes from the last
// frame that covers it. So it goes back from the end and decodes only frames that
// cover a pixel which is not drawn yet; if the whole picture moves, that is one frame.
func (f *webpInput) lastBackwards(ctx context.Context) (Frame, error) {
	out := whiteFrame(f.w, f.h)
	drawn := make([]byte, f.w*f.h)
	left := len(drawn)
	for i := len(f.frames) - 1; i >= 0 && left > 0; i-- {
		if ctx.Err() != nil {
			return Frame{}, fmt.Errorf("media: reading %s was stopped: %w", f.path, context.Cause(ctx))
		}
		frame := f.frames[i]
		if !uncovered(drawn, f.w, frame.box) {
			continue
		}
		img, err := f.picture(frame)
		if err != nil {
			return Frame{}, err
		}
		part := flatten(img, img.Bounds(), image.Point{})
		for y := range part.H {
			for x := range part.W {
				if to := (frame.box.Min.Y+y)*f.w + frame.box.Min.X + x; drawn[to] == 0 {
					drawn[to] = 1
					left--
					copy(out.Pix[3*to:3*to+3], part.Pix[3*(y*part.W+x):])
				}
			}
		}
	}
	return out, nil
}

// whiteFrame returns the white canvas that an animation is drawn on.
func whiteFrame(w, h int) Frame {
	f := NewFrame(w, h)
	f.clear(image.Rect(0, 0, w, h))
	return f
}

// clear makes a part of the frame white.
func (f Frame) clear(box image.Rectangle) {
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for i := 3 * (y*f.W + box.Min.X); i < 3*(y*f.W+box.Max.X); i++ {
			f.Pix[i] = 0xff
		}
	}
}

// uncovered says whether a box has a pixel that is not drawn yet.
func uncovered(drawn []byte, w int, box image.Rectangle) bool {
	for y := box.Min.Y; y < box.Max.Y; y++ {
		if bytes.IndexByte(drawn[y*w+box.Min.X:y*w+box.Max.X], 0) >= 0 {
			return true
		}
	}
	return false
}

// picture decodes one frame, which is a WebP image without the RIFF header.
func (f *webpInput) picture(frame webpFrame) (img image.Image, err error) {
	if frame.size > MaxWebPBytes {
		return nil, fmt.Errorf("media: a frame of %s has more than %d MiB: %w", f.path, MaxWebPBytes>>20, ErrTooLarge)
	}
	data := make([]byte, frame.size)
	if _, err := f.r.ReadAt(data, frame.at); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("media: reading %s: %w", f.path, err)
	}
	// A bug in a decoder must not take the program down with it.
	defer func() {
		if p := recover(); p != nil {
			img, err = nil, fmt.Errorf("media: %s: the WebP decoder failed on a broken frame: %v", f.path, p)
		}
	}()
	img, err = decodeChunks(data, frame.box.Size())
	if err != nil {
		return nil, fmt.Errorf("media: %s: decoding a WebP frame: %w", f.path, err)
	}
	return img, nil
}

// paint draws a frame on what the frames before it have left.
func (f webpFrame) paint(canvas Frame, img image.Image) {
	w := f.box.Dx()
	row := image.NewRGBA(image.Rect(0, 0, w, 1))
	for y := range f.box.Dy() {
		pix := canvas.Pix[3*((f.box.Min.Y+y)*canvas.W+f.box.Min.X):][:3*w]
		for x := range w {
			under := []byte{0xff, 0xff, 0xff}
			if f.blend {
				under = pix[3*x:][:3]
			}
			copy(row.Pix[4*x:], under)
			row.Pix[4*x+3] = 0xff
		}
		draw.Draw(row, row.Rect, img, img.Bounds().Min.Add(image.Pt(0, y)), draw.Over)
		for x := range w {
			copy(pix[3*x:3*x+3], row.Pix[4*x:])
		}
	}
}
