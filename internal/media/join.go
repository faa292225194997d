package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/scratch"
)

// Limits on joining.
const (
	// MaxJoinParts bounds how many videos are joined into one.
	MaxJoinParts = 100
	// MaxJoinTime bounds how long they play in all.
	MaxJoinTime = 4 * time.Hour

	// joinRate is the least that has to be copied of a video within one stall.
	joinRate = 256 << 20

	// unknownRate is the frames a second of a re-encoded video if the first video
	// does not state its own.
	unknownRate = 30
)

// JoinOptions says how videos are joined.
type JoinOptions struct {
	// Stall bounds how long ffmpeg may take for a frame, for finishing a file, and
	// for copying 256 MiB; 0 means a minute.
	Stall time.Duration
}

// BadPart is an error about one of the videos to be joined.
type BadPart struct {
	Path string
	Err  error
}

// Error says what is wrong with which video.
func (e *BadPart) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *BadPart) Unwrap() error { return e.Err }

// part is one video to be joined.
type part struct {
	path string
	info VideoInfo
	webp *webpInput // nil where ffmpeg reads it
}

// Join writes untrusted videos one after another into one file, in the format of
// its name. The file gets its name when it is whole; the name may be that of one of
// the videos.
//
// Videos that are alike are copied without encoding them again: MP4s of one size,
// rate and codec with the same settings, and animated WebPs of one size, as this
// package writes them. Other videos are re-encoded in the size and at the rate of
// the first, as players show them: scaled until they cover that size, and cropped. A
// re-encoded MP4 has even sides; an odd side loses a pixel. If the first video's
// rate varies, the average is taken, and if it is unknown, 30.
//
// An MP4 has the sound of its parts, in stereo, with silence for a part that has
// none; for that, the length of each part has to be known. A WebP is silent.
//
// The metadata is that of the first video that carries the mark of a model, with
// this mark, but without its settings where there is more than one video: no settings
// give the joined one. An error about a video is a *BadPart.
func Join(ctx context.Context, path string, videos []string, o JoinOptions) error {
	f, err := FormatOf(path)
	if err != nil {
		return err
	}
	if len(videos) < 1 || len(videos) > MaxJoinParts {
		return fmt.Errorf("media: %d videos cannot be joined: 1 to %d can", len(videos), MaxJoinParts)
	}
	parts, err := openParts(ctx, videos)
	defer closeParts(parts)
	if err != nil {
		return err
	}
	t, err := newTarget(path, false)
	if err != nil {
		return err
	}
	if err := joinInto(ctx, t, f, parts, o); err != nil {
		t.discard()
		return err
	}
	return nil
}

// openParts inspects every video. With an error, too, it returns the parts that it
// has opened, for the caller to close.
func openParts(ctx context.Context, videos []string) ([]part, error) {
	var parts []part
	var length time.Duration
	for _, path := range videos {
		p, err := openPart(ctx, path)
		if err != nil {
			return parts, &BadPart{path, err}
		}
		parts = append(parts, p)
		if length += p.info.Duration; length > MaxJoinTime || length < 0 {
			return parts, fmt.Errorf("media: the videos play longer than %v in all: %w", MaxJoinTime, ErrTooLarge)
		}
	}
	return parts, nil
}

func openPart(ctx context.Context, path string) (part, error) {
	video, err := openWebP(ctx, path)
	switch {
	case err != nil:
		return part{}, err
	case video != nil:
		return part{path: path, info: video.info(), webp: video}, nil
	}
	info, err := Probe(ctx, path)
	return part{path: path, info: info}, err
}

func closeParts(parts []part) {
	for _, p := range parts {
		if p.webp != nil {
			p.webp.file.Close()
		}
	}
}

// joinInto writes the joined video to the target and gives it its name.
func joinInto(ctx context.Context, t *target, f Format, parts []part, o JoinOptions) error {
	switch {
	case f == WebP && sameWebP(parts):
		return appendWebP(ctx, t, parts)
	case f == MP4 && sameStreams(parts):
		return copyMP4(ctx, t, parts, o)
	}
	return redraw(ctx, t, f, parts, o)
}

// sameStreams says whether the encoded pictures of all parts can be copied, as they
// are, into one stream of an MP4.
func sameStreams(parts []part) bool {
	first := parts[0].info
	for _, p := range parts {
		i := p.info
		if p.webp != nil || !strings.HasPrefix(i.container, "mov,") || i.settings == "" || i.FPS == 0 || i.Frames == 0 ||
			i.W != first.W || i.H != first.H || i.FPS != first.FPS || i.timeBase != first.timeBase ||
			i.Codec != first.Codec || i.PixFmt != first.PixFmt || i.settings != first.settings || i.shown != first.shown {
			return false
		}
		// Copying would lose which stream it is, how it is turned, and when each
		// picture is shown.
		if !i.alone || i.turned || !i.even {
			return false
		}
		// All pictures have to be shown equally long, because times are counted
		// from their numbers.
		if math.Abs(float64(i.Frames)/i.FPS-i.Duration.Seconds()) > 0.5/i.FPS {
			return false
		}
	}
	return true
}

// copyMP4 has ffmpeg copy the encoded pictures of all parts into the target.
func copyMP4(ctx context.Context, t *target, parts []part, o JoinOptions) error {
	tool, err := FFmpeg()
	if err != nil {
		return err
	}
	dir, remove, err := scratch.Folder("")
	if err != nil {
		return fmt.Errorf("media: opening a folder to join videos in: %w: name a folder that can be written to with TMPDIR", err)
	}
	defer remove()
	size, err := stage(dir, parts)
	if err != nil {
		return err
	}
	soundIn, soundOut, dropSound, err := stageSound(ctx, tool, parts, o)
	if err != nil {
		return err
	}
	defer dropSound()
	if joinedMeta(parts).Settings != parts[named(parts)].meta().Settings {
		soundOut = append(soundOut, "-metadata", settingsTag+"=")
	}
	args, err := joinArgs(dir, named(parts), t.temp.Name(), soundIn, soundOut)
	if err != nil {
		return err
	}
	stall := Options{Stall: o.Stall}.stall()
	p := newProcess(ctx, tool, args...)
	if err := p.start(); err != nil {
		return err
	}
	defer p.cancel(nil)
	doing := "joining videos into " + t.path
	if err := p.within(stall*time.Duration(1+size/joinRate), "copying", p.wait); err != nil {
		return p.explain(doing, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("media: %s was stopped: %w", doing, context.Cause(ctx))
	}
	if err := checkJoined(ctx, t, parts); err != nil {
		return err
	}
	return t.commit()
}

// stage puts the parts, and the list of them that ffmpeg's concat demuxer reads, into
// a temporary folder under names that need no quoting. It returns their size in
// bytes. The list says how long each part plays, because the milliseconds in the
// files are too coarse to keep the rate even.
func stage(dir string, parts []part) (size int64, err error) {
	list := "ffconcat version 1.0\n"
	frames := 0
	at := func(n int) int64 { return int64(math.Round(1e6 * float64(n) / parts[0].info.FPS)) }
	for i, p := range parts {
		n, err := place(p.path, filepath.Join(dir, partName(i)))
		if err != nil {
			return 0, &BadPart{p.path, fmt.Errorf("media: opening a video: %w", err)}
		}
		size += n
		length := at(frames+p.info.Frames) - at(frames)
		frames += p.info.Frames
		list += fmt.Sprintf("file %s\nduration %d.%06d\n", partName(i), length/1e6, length%1e6)
	}
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte(list), 0o600); err != nil {
		return 0, fmt.Errorf("media: listing the videos to join: %w", err)
	}
	return size, nil
}

func partName(i int) string { return "part" + strconv.Itoa(i) + ".mp4" }

// place makes a file available under another name, by a link if the system has
// links, and returns its size.
func place(path, name string) (int64, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return 0, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if os.Symlink(path, name) == nil || os.Link(path, name) == nil {
		return info.Size(), nil
	}
	from, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(to, from)
	return info.Size(), errors.Join(err, to.Close())
}

// joinArgs returns all of ffmpeg's arguments. They copy the pictures of the list and
// the metadata of one part into a file. Sound is encoded again, because an AAC stream
// cannot be cut at any sample. soundIn are the arguments that read the sound and
// soundOut those that write it; both are empty for a silent video.
func joinArgs(dir string, named int, out string, soundIn, soundOut []string) ([]string, error) {
	out, err := filepath.Abs(out)
	if err != nil {
		return nil, fmt.Errorf("media: finding the place of a video: %w", err)
	}
	const mov = "mov,mp4,m4a,3gp,3g2,mj2"
	return slices.Concat([]string{
		"-hide_banner", "-nostdin", "-loglevel", "error",
		"-protocol_whitelist", "file,pipe", "-format_whitelist", "concat," + mov,
		"-f", "concat", "-safe", "1", "-i", "file:" + filepath.Join(dir, "list"),
		"-protocol_whitelist", "file,pipe", "-format_whitelist", mov, "-i", "file:" + filepath.Join(dir, partName(named)),
	}, soundIn, []string{
		"-map", "0:v:0", "-map_metadata", "1", "-map_chapters", "-1", "-c:v", "copy",
	}, soundOut, []string{
		"-movflags", "+faststart", "-f", "mp4", "-y", "file:" + out,
	}), nil
}

// checkJoined counts the frames that were copied, because ffmpeg does not fail on a
// file that ends too early.
func checkJoined(ctx context.Context, t *target, parts []part) error {
	got, err := Probe(ctx, t.temp.Name())
	if err != nil {
		return fmt.Errorf("media: looking at what was joined into %s: %w", t.path, err)
	}
	want := 0
	for _, p := range parts {
		want += p.info.Frames
	}
	if got.Frames != want || got.W != parts[0].info.W || got.H != parts[0].info.H {
		return fmt.Errorf("media: joining videos into %s gave %d frames of %d: one of them is damaged", t.path, got.Frames, want)
	}
	return nil
}

// redraw decodes all parts and encodes their frames as one video.
func redraw(ctx context.Context, t *target, f Format, parts []part, o JoinOptions) error {
	first := parts[0].info
	to := Options{W: first.W, H: first.H, FPS: first.FPS, Meta: joinedMeta(parts), Stall: o.Stall}
	if f == MP4 {
		to.Sound = soundOf(ctx, parts, o)
	}
	if f == MP4 {
		to.W, to.H = max(2, to.W&^1), max(2, to.H&^1)
	}
	if to.FPS == 0 {
		to.FPS = unknownRate
	}
	if err := to.check(f); err != nil {
		return &BadPart{parts[0].path, err}
	}
	e, err := createIn(ctx, t, f, to)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err = p.draw(ctx, to, e.WriteFrame); err != nil {
			break
		}
	}
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		e.Abort()
	}
	return err
}

// draw yields the frames of a part in the size and at the rate of another.
func (p part) draw(ctx context.Context, to Options, yield func(rgb []byte) error) error {
	if p.webp != nil {
		return p.drawWebP(ctx, to, yield)
	}
	o := VideoOptions{W: to.W, H: to.H, Stall: to.Stall, MaxFrames: int(MaxJoinTime.Seconds() * to.FPS)}
	if !p.info.even || p.info.FPS != to.FPS {
		o.FPS = to.FPS // otherwise every picture comes once, whatever its time
	}
	r, err := openProbed(ctx, p.path, p.info, o)
	if err != nil {
		return &BadPart{p.path, err}
	}
	defer r.Close()
	for f := NewFrame(to.W, to.H); ; {
		err := r.Next(f)
		if errors.Is(err, io.EOF) {
			return p.whole(r, to.FPS)
		}
		if err != nil {
			return &BadPart{p.path, err}
		}
		if err := yield(f.Pix); err != nil {
			return err
		}
	}
}

// whole returns an error if the end of a part could not be read: ffmpeg only warns
// about a file that ends too early.
func (p part) whole(r *VideoReader, fps float64) error {
	read, said := float64(r.Frames())/fps, r.p.stderr.String()
	if want := p.info.Duration.Seconds(); said != "" && read < 0.9*want-0.5 {
		return &BadPart{p.path, fmt.Errorf("media: %s is damaged: of its %.1f s only %.1f can be read: %s", p.path, want, read, said)}
	}
	return nil
}

// named returns the number of the part whose metadata the joined video gets.
func named(parts []part) int {
	for i, p := range parts {
		if !p.meta().empty() {
			return i
		}
	}
	return 0
}

// joinedMeta returns the metadata of the joined video.
func joinedMeta(parts []part) Meta {
	m := parts[named(parts)].meta()
	if len(parts) > 1 {
		m.Settings = ""
	}
	return m
}

// meta returns the metadata that this package wrote when the video was made, and the
// zero Meta for any other video.
func (p part) meta() Meta {
	if p.webp != nil {
		return p.webp.meta
	}
	return metaOfTags(p.info.Tags)
}

var markedComment = regexp.MustCompile(`^AI-generated video\. .*Seed: ([0-9]{1,20})\. Made with Kinora\.`)

// metaOfTags reads the tags of an MP4.
func metaOfTags(tags map[string]string) Meta {
	found := markedComment.FindStringSubmatch(tags["comment"])
	if found == nil {
		return Meta{}
	}
	seed, err := strconv.ParseUint(found[1], 10, 64)
	if err != nil {
		return Meta{}
	}
	return Meta{Prompt: tags["description"], Model: tags["artist"], Seed: seed, Settings: clean(tags[settingsTag], MaxSettings)}
}
