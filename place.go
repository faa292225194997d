package kinora

import (
	"errors"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/scratch"
)

// Place is a reserved file name for a video. Until Release nobody else writes a
// file of that name, in this process or another one: a second Reserve of the name,
// or a Save to it, fails at once.
type Place struct {
	path    string
	release func()
}

// Reserve reserves a name before any work is done. It checks that a file of that
// name can be made: that its folder exists and can be written to, and that the file
// system accepts the name. An existing file stays until it is replaced. Give the
// place to Generate, which checks that there is room, save the video with SaveIn,
// and Release the place in the end. On a file system without locks, such as some
// network file systems, other processes are not kept away.
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

// claim is scratch.Claim; the cause of the error is ErrTaken if somebody else has
// the name.
func claim(path string) (release func(), err error) {
	release, err = scratch.Claim(path)
	if _, taken := errors.AsType[*scratch.TakenError](err); taken {
		return nil, takenError{err}
	}
	return release, err
}

// ErrTaken is the cause of an error when somebody else writes to a name or has
// reserved it.
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

// The most pixels that a byte of a file stands for. Videos of reel take three times
// as many bytes as these numbers say: a video is refused only if no video of its
// size could fit.
const (
	pixelsOfMP4  = 200
	pixelsOfWebP = 10
	leastFile    = 16 << 10 // bytes
)

// leastBytes is the least that the video of a plan takes.
func (p *plan) leastBytes(f Format) int64 {
	pixels := pixelsOfMP4
	if f == WebP {
		pixels = pixelsOfWebP
	}
	return leastFile + int64(p.width)*int64(p.height)*int64(p.frames)/int64(pixels)
}

// roomFor is scratch.Room, which tests replace.
var roomFor = scratch.Room

// room checks that there is room for a video at a place.
func (p *Place) room(plan *plan) error {
	f, err := FormatOf(p.path)
	if err != nil {
		return err
	}
	return wrap(Storage, "write", p.path, roomFor(filepath.Dir(p.path), plan.leastBytes(f)), "free some, or choose another place")
}

type takenError struct{ error }

func (takenError) Is(target error) bool { return target == ErrTaken }

// tooFull says whether an error means that a disk is full.
func tooFull(err error) bool {
	_, full := errors.AsType[*scratch.NoRoomError](err)
	return full
}
