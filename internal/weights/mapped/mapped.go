// Package mapped gives readers of weights the bytes of a file: mapped into
// memory, where the system can do that, so that nothing is read before it is
// used. A file that changes while it is open is an error here, and no crash.
//
// The package knows no format of weights.
package mapped

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

// ErrNotRegular says that a path names no file that can be mapped.
var ErrNotRegular = errors.New("not a regular file that fits into memory")

// File is the bytes of an open file, or of a part of the program. Several
// goroutines may call its methods; Close may be called once they are done. A file
// that is not closed stays mapped while anything refers to the File. It is a
// tensor.Source.
type File struct {
	name  string
	data  []byte
	whole []byte // the mapping, if the file is mapped
	unmap func() error
}

// Of gives bytes of the program a name. data must not change.
func Of(name string, data []byte) *File { return &File{name: name, data: data} }

// Open maps a file, which must be a regular one.
func Open(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() != int64(int(info.Size())):
		return nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
	case info.Size() == 0: // which no system maps
		return Of(path, []byte{}), nil
	}
	return open(path, r, int(info.Size()))
}

// Name is the file's path, or what the bytes are called.
func (f *File) Name() string { return f.name }

// Bytes are the bytes of the file, nil after Close. They are read only.
func (f *File) Bytes() []byte { return f.data }

// Guard returns a function that must be deferred. It turns a memory fault, which
// a mapped file that shrinks causes, into an error that says what could not be
// read.
func (f *File) Guard(what string, err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			fault, ok := p.(interface {
				runtime.Error
				Addr() uintptr
			})
			if !ok {
				panic(p)
			}
			*err = fmt.Errorf("%s: %s cannot be read (%w): the file changed while it was open", f.name, what, fault)
		}
		runtime.KeepAlive(f)
	}
}

// Close unmaps the file. No slice of its bytes may be used afterwards.
func (f *File) Close() error {
	unmap := f.unmap
	f.data, f.whole, f.unmap = nil, nil, nil
	if unmap == nil {
		return nil
	}
	if err := unmap(); err != nil {
		return fmt.Errorf("closing %s: %w", f.name, err)
	}
	return nil
}
