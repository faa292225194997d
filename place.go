package kinora

import (
	"errors"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/scratch"
)

// Place is the name of a video that is to be made. Until Release nobody else
// writes a file of that name, in this process or another: a second Reserve, or a
// Save, of it fails at once.
type Place struct {
	path    string
	release func()
}

// Reserve takes a place before any time is spent on what goes there. It finds
// out whether a file of that name can be made: whether its folder is there and
// can be written to, and whether the file system takes the name. A file that is
// there already stays until it is replaced. Give the place to Generate, which
// looks for room, and save the video in it; Release it in the end. A file system
// without locks, which some network ones are, cannot keep others away.
//
// Errors: an *Error of kind Storage, or of Invalid for a name without a format.
func Reserve(path string) (*Place, error) {
	if _, err := FormatOf(path); err != nil {
		return nil, err
	}
	release, err := claim(path)
	if err != nil {
		return nil, wrap(Storage, "write", path, err, "")
	}
	return &Place{path, release}, nil
}

// claim is scratch.Claim, with ErrTaken as the cause where another one has the
// name.
func claim(path string) (release func(), err error) {
	release, err = scratch.Claim(path)
	if _, taken := errors.AsType[*scratch.TakenError](err); taken {
		return nil, takenError{err}
	}
	return release, err
}

// ErrTaken is the cause where another one is writing to a name, or has reserved
// it.
var ErrTaken = errors.New("another one writes to it")

// Path is the file's name.
func (p *Place) Path() string { return p.path }

// Release gives the place up. It does nothing the second time.
func (p *Place) Release() {
	if p.release != nil {
		p.release()
	}
	p.release = nil
}

// How many pixels a byte of a file stands for at the most. Videos of reel take
// three times the bytes that follow; a video is refused only where none like it
// could fit.
const (
	pixelsOfMP4  = 200
	pixelsOfWebP = 10
	leastFile    = 16 << 10 // bytes
)

// leastBytes is what a video of a plan takes at least.
func (p *plan) leastBytes(f Format) int64 {
	pixels := pixelsOfMP4
	if f == WebP {
		pixels = pixelsOfWebP
	}
	return leastFile + int64(p.width)*int64(p.height)*int64(p.frames)/int64(pixels)
}

// roomFor is scratch.Room, which tests replace.
var roomFor = scratch.Room

// room looks for room for a video at a place.
func (p *Place) room(plan *plan) error {
	f, err := FormatOf(p.path)
	if err != nil {
		return err
	}
	return wrap(Storage, "write", p.path, roomFor(filepath.Dir(p.path), plan.leastBytes(f)), "free some, or choose another place")
}

type takenError struct{ error }

func (takenError) Is(target error) bool { return target == ErrTaken }

// tooFull says whether an error is about the room of a disk.
func tooFull(err error) bool {
	_, full := errors.AsType[*scratch.NoRoomError](err)
	return full
}
