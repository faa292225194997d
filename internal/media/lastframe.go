package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// lastFrameTime bounds the time for reading the last picture of a video.
const lastFrameTime = 2 * time.Minute

// Inspect describes an untrusted video file: one that ffprobe can read, or an
// animated WebP, for which nothing needs to be installed.
func Inspect(ctx context.Context, path string) (VideoInfo, error) {
	video, err := openWebP(ctx, path)
	if err != nil {
		return VideoInfo{}, err
	}
	if video == nil {
		return Probe(ctx, path)
	}
	defer video.file.Close()
	return video.info(), nil
}

// LastFrame reads the last picture of an untrusted video file, in the size that
// Inspect returns.
func LastFrame(ctx context.Context, path string) (Frame, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lastFrameTime, fmt.Errorf("it took longer than %v", lastFrameTime))
	defer cancel()
	video, err := openWebP(ctx, path)
	if err != nil {
		return Frame{}, err
	}
	if video != nil {
		defer video.file.Close()
		return video.last(ctx)
	}
	info, err := Probe(ctx, path)
	if err != nil {
		return Frame{}, err
	}
	// Seek to the end by its time, unless the file states a wrong one.
	const tail = 2 * time.Second
	start := max(0, info.Duration-tail)
	f, err := lastFrom(ctx, path, info, start)
	if err != nil && start > 0 && ctx.Err() == nil {
		return lastFrom(ctx, path, info, 0)
	}
	return f, err
}

// lastFrom reads a video from some time on and returns its last picture.
func lastFrom(ctx context.Context, path string, info VideoInfo, start time.Duration) (Frame, error) {
	r, err := openProbed(ctx, path, info, VideoOptions{W: info.W, H: info.H, Start: start})
	if err != nil {
		return Frame{}, err
	}
	defer r.Close()
	last, next := NewFrame(info.W, info.H), NewFrame(info.W, info.H)
	for {
		err := r.Next(next)
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return Frame{}, err
		}
		last, next = next, last
	}
}

// openWebP opens and scans the file if it is a WebP; for any other file it returns
// nil.
func openWebP(ctx context.Context, path string) (*webpInput, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("media: opening a video: %w", err)
	}
	if !info.Mode().IsRegular() { // to open a pipe would block until it has a writer
		return nil, fmt.Errorf("media: %s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("media: opening a video: %w", err)
	}
	var video *webpInput
	if isWebP(file) {
		video, err = scanWebP(ctx, path, file, info.Size())
	}
	if video == nil {
		file.Close()
		return nil, err
	}
	video.file = file
	return video, nil
}
