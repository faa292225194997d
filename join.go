package kinora

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kinora-video/kinora/internal/media"
)

// Limits of Join.
const (
	MaxJoinParts = media.MaxJoinParts // films
	MaxJoinTime  = media.MaxJoinTime  // that they play in all
)

// Join writes films one after another into one file, in the format its name
// says. The file appears under its name when it is whole, replacing one that
// was there, which may be one of the films; until then, and when anything
// fails, nothing has that name.
//
// Films that Save wrote in one size, and as MP4 at one rate, are copied and not
// encoded again. Others, which may come from anywhere, are drawn anew as players
// show them, in the size and at the rate of the first: scaled until they cover
// it, and cropped. Of a rate that varies the average is taken, and 30 where it is
// unknown; an MP4 lacks the last pixel of an odd side. Sound is left out. The file
// carries the prompt, model and seed of the first film that a model made, and the
// mark that one did.
//
// A film that goes on from the last frame of the one before repeats that as its
// first. Join keeps it, as without encoding again it cannot go: all frames after
// it are built on it. FromFrame leaves it out when the clip is saved.
//
// Errors: an *Error of kind NotFound or Invalid names the film, Unsupported
// says what to install (for MP4, ffmpeg), Storage that the file could not be
// made or written. A cancelled context gives its own error.
func Join(ctx context.Context, dst string, parts ...string) error {
	return joinFilms(ctx, dst, parts, 0)
}

// joinFilms is Join with a limit on how long ffmpeg may stand still; 0 is media's.
func joinFilms(ctx context.Context, dst string, parts []string, stall time.Duration) error {
	const op = "join films into"
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := FormatOf(dst)
	if err != nil {
		return err
	}
	if err := canWrite(ctx, f); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	if n := len(parts); n < 1 || n > MaxJoinParts {
		return &Error{Kind: Invalid, Op: op, What: dst, Err: fmt.Errorf("there are %d films", n), Hint: fmt.Sprintf("1 to %d", MaxJoinParts)}
	}
	err = media.Join(ctx, dst, parts, media.JoinOptions{Stall: stall})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err() // whatever it broke, this is why
	}
	if bad, ok := errors.AsType[*media.BadPart](err); ok {
		return unread("join", bad.Path, bad.Err)
	}
	kind := Storage
	switch {
	case errors.Is(err, media.ErrNoFFmpeg), errors.Is(err, media.ErrNoEncoder):
		kind = Unsupported
	case errors.Is(err, media.ErrTooLarge):
		kind = Invalid
	}
	return wrap(kind, op, dst, plainly(err), "")
}
