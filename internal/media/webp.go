package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"strconv"
	"sync"

	"github.com/HugoSmits86/nativewebp"

	"github.com/kinora-video/kinora/internal/simd"
)

// webpVideo writes an animated WebP (the WebP container specification of Google, RFC
// 9649). Frames are lossless and contain only the part of the picture that changed.
// They are compressed in parallel and written in order.
type webpVideo struct {
	o      Options
	ctx    context.Context
	target *target
	copyTo io.Writer // for a stream: where the finished file goes
	stop   func() bool

	mu     sync.Mutex
	err    error
	before []byte // the last frame
	frames int
	queue  []chan webpPart // parts being compressed, oldest first
	size   int64           // bytes written
}

// webpPart is one compressed frame: its place on the canvas and its VP8L chunk.
type webpPart struct {
	box   image.Rectangle
	chunk []byte
	err   error
}

const webpHeader = 12 + 8 + 10 + 8 + 6 // RIFF, VP8X, ANIM

// newWebP begins a video in t. If w is given, the finished file is copied to w and t
// is removed.
func newWebP(ctx context.Context, t *target, w io.Writer, o Options) (Encoder, error) {
	e := &webpVideo{o: o, ctx: ctx, target: t, copyTo: w}
	if err := e.write(e.header(0)); err != nil {
		return nil, err
	}
	e.stop = context.AfterFunc(ctx, e.Abort)
	return e, nil
}

// header returns the file up to its first frame; size is the size of the whole file.
func (e *webpVideo) header(size int64) []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, webpHeader), "RIFF"...)
	b = le.AppendUint32(b, uint32(max(size-8, 0)))
	b = append(b, "WEBPVP8X"...)
	b = le.AppendUint32(b, 10)
	const animation, xmp = 1 << 1, 1 << 2
	flags := uint32(animation)
	if !e.o.Meta.empty() {
		flags |= xmp
	}
	b = le.AppendUint32(b, flags)
	b = append24(append24(b, e.o.W-1), e.o.H-1)
	b = append(b, "ANIM"...)
	b = le.AppendUint32(b, 6)
	b = le.AppendUint32(b, 0xffffffff) // background, not seen: frames cover it
	return le.AppendUint16(b, 0)       // loops without end
}

func append24(b []byte, v int) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16)) }

// write appends to the file.
func (e *webpVideo) write(b []byte) error {
	if e.size+int64(len(b)) > math.MaxUint32-64 {
		return fmt.Errorf("media: writing %s: a WebP holds at most 4 GiB: use .mp4: %w", e.name(), ErrTooLarge)
	}
	n, err := e.target.temp.Write(b)
	e.size += int64(n)
	if err != nil {
		return fmt.Errorf("media: writing %s: %w", e.name(), err)
	}
	return nil
}

func (e *webpVideo) name() string {
	if e.target.path == "" {
		return "a WebP stream"
	}
	return e.target.path
}

// WriteFrame implements Encoder.
func (e *webpVideo) WriteFrame(rgb []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	if err := e.o.checkFrame(rgb); err != nil {
		return err
	}
	box := changed(e.before, rgb, e.o.W, e.o.H)
	img := cut(rgb, e.o.W, box)
	e.before = append(e.before[:0], rgb...)
	done := make(chan webpPart, 1)
	go func() { done <- compress(img, box) }()
	e.queue = append(e.queue, done)
	return e.drain(simd.Threads())
}

// drain writes the oldest parts until at most so many are still being compressed.
func (e *webpVideo) drain(left int) error {
	for len(e.queue) > left {
		part := <-e.queue[0]
		e.queue = e.queue[1:]
		err := part.err
		if err == nil {
			err = e.write(e.frame(part))
		}
		if err != nil {
			e.lose(err)
			return err
		}
		e.frames++
	}
	return nil
}

// duration returns how long the next frame is shown, in whole milliseconds. Each frame
// ends at its own rounded time, so that rounding errors do not add up.
func (e *webpVideo) duration() int {
	at := func(n int) int { return int(math.Round(float64(n) * 1000 / e.o.FPS)) }
	return max(1, at(e.frames+1)-at(e.frames))
}

// frame wraps a part into its ANMF chunk.
func (e *webpVideo) frame(p webpPart) []byte {
	b := append(make([]byte, 0, 24+len(p.chunk)), "ANMF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(16+len(p.chunk)))
	for _, v := range []int{p.box.Min.X / 2, p.box.Min.Y / 2, p.box.Dx() - 1, p.box.Dy() - 1, e.duration()} {
		b = append24(b, v)
	}
	const doNotBlend = 1 << 1
	return append(append(b, doNotBlend), p.chunk...)
}

// changed returns the part of the picture in which two frames differ, with its corner
// at even coordinates as the format requires. For the first frame it is the whole
// picture. If nothing differs it is one corner, because a frame needs some pixels.
func changed(before, now []byte, w, h int) image.Rectangle {
	if before == nil {
		return image.Rect(0, 0, w, h)
	}
	row := 3 * w
	top, bottom := 0, h
	for top < h && bytes.Equal(before[top*row:][:row], now[top*row:][:row]) {
		top++
	}
	if top == h {
		return image.Rect(0, 0, min(w, 2), min(h, 2))
	}
	for bytes.Equal(before[(bottom-1)*row:][:row], now[(bottom-1)*row:][:row]) {
		bottom--
	}
	left, right := row, 0
	for y := top; y < bottom; y++ {
		a, b := before[y*row:][:row], now[y*row:][:row]
		l := 0
		for l < left && a[l] == b[l] {
			l++
		}
		left = l
		r := row
		for r > right && a[r-1] == b[r-1] {
			r--
		}
		right = r
	}
	return image.Rect(left/3&^1, top&^1, (right+2)/3, bottom)
}

// cut copies a part of a frame into an image of its own.
func cut(rgb []byte, w int, box image.Rectangle) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, box.Dx(), box.Dy()))
	for y := range box.Dy() {
		src := rgb[3*((box.Min.Y+y)*w+box.Min.X):][:3*box.Dx()]
		dst := img.Pix[y*img.Stride:]
		for i := 0; i < len(src); i += 3 {
			d := dst[i/3*4:][:4]
			d[0], d[1], d[2], d[3] = src[i], src[i+1], src[i+2], 0xff
		}
	}
	return img
}

// compress turns an image into a VP8L chunk.
func compress(img *image.NRGBA, box image.Rectangle) webpPart {
	var b bytes.Buffer
	if err := nativewebp.Encode(&b, img, nil); err != nil {
		return webpPart{err: fmt.Errorf("media: compressing a WebP frame: %w", err)}
	}
	const riff = 12 // RIFF, size, WEBP
	if b.Len() < riff+8 || string(b.Bytes()[riff:riff+4]) != "VP8L" {
		return webpPart{err: fmt.Errorf("media: compressing a WebP frame gave no VP8L chunk")}
	}
	return webpPart{box: box, chunk: b.Bytes()[riff:]}
}

// Close implements Encoder.
func (e *webpVideo) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		if errors.Is(e.err, errClosed) {
			return nil
		}
		return e.err
	}
	defer e.stop()
	if err := e.drain(0); err != nil {
		return err
	}
	if e.frames == 0 {
		e.lose(errNoFrames)
		return e.err
	}
	if err := e.finish(); err != nil {
		e.lose(err)
		return err
	}
	e.err = errClosed
	if e.copyTo != nil {
		e.target.discard()
		return nil
	}
	if err := e.target.commit(); err != nil {
		e.err = err
		return err
	}
	return nil
}

// finish adds the metadata, corrects the header, and copies the file of a stream.
func (e *webpVideo) finish() error {
	if err := e.ctx.Err(); err != nil {
		return fmt.Errorf("media: writing %s was stopped: %w", e.name(), context.Cause(e.ctx))
	}
	if !e.o.Meta.empty() {
		x := xmpPacket(e.o.Meta)
		b := binary.LittleEndian.AppendUint32([]byte("XMP "), uint32(len(x)))
		b = append(b, x...)
		if len(x)%2 != 0 {
			b = append(b, 0)
		}
		if err := e.write(b); err != nil {
			return err
		}
	}
	if _, err := e.target.temp.WriteAt(e.header(e.size), 0); err != nil {
		return fmt.Errorf("media: writing %s: %w", e.name(), err)
	}
	if e.copyTo == nil {
		return nil
	}
	if _, err := io.Copy(e.copyTo, io.NewSectionReader(e.target.temp, 0, e.size)); err != nil {
		return fmt.Errorf("media: streaming a WebP: %w", err)
	}
	return nil
}

// lose removes the file and keeps err for later calls.
func (e *webpVideo) lose(err error) {
	e.err = err
	for _, done := range e.queue {
		<-done
	}
	e.queue = nil
	e.target.discard()
}

// Abort implements Encoder.
func (e *webpVideo) Abort() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return
	}
	if e.ctx.Err() != nil {
		e.lose(fmt.Errorf("media: writing %s was stopped: %w", e.name(), context.Cause(e.ctx)))
		return
	}
	e.lose(errAborted)
}

// xmpPacket returns the metadata as XMP (ISO 16684-1). The IPTC's digital source type
// marks the work of a model.
func xmpPacket(m Meta) []byte {
	esc := func(s string) string {
		var b bytes.Buffer
		_ = xml.EscapeText(&b, []byte(s)) // writing to a Buffer never fails
		return b.String()
	}
	settings := ""
	if m.Settings != "" {
		settings = ` kinora:settings="` + esc(m.Settings) + `"`
	}
	return []byte(`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		`<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"` +
		` xmlns:iptc="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:kinora="urn:kinora:meta"` +
		` xmp:CreatorTool="Kinora" iptc:DigitalSourceType="` + digitalSource + `"` +
		` kinora:model="` + esc(clean(m.Model, 200)) + `" kinora:seed="` + strconv.FormatUint(m.Seed, 10) + `"` +
		` kinora:prompt="` + esc(clean(m.Prompt, 8000)) + `"` + settings + `>` +
		`<dc:description><rdf:Alt><rdf:li xml:lang="x-default">` + esc(m.comment()) + `</rdf:li></rdf:Alt></dc:description>` +
		`<dc:title><rdf:Alt><rdf:li xml:lang="x-default">` + esc(clean(m.Prompt, 250)) + `</rdf:li></rdf:Alt></dc:title>` +
		`</rdf:Description></rdf:RDF></x:xmpmeta>`)
}
