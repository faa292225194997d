//go:build unix

package mapped

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// open maps the file.
func open(path string, r *os.File, size int) (*File, error) {
	data, err := unix.Mmap(int(r.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	f := &File{name: path, data: data, whole: data}
	c := runtime.AddCleanup(f, func(data []byte) { _ = unix.Munmap(data) }, data) // for a file that nobody closed
	f.unmap = func() error {
		c.Stop()
		return unix.Munmap(data)
	}
	return f, nil
}

// Prefetch implements tensor.Source.
func (f *File) Prefetch(b []byte) {
	if page, ok := f.pages(b, false); ok {
		_ = unix.Madvise(page, unix.MADV_WILLNEED) // advice
	}
}

// Release implements tensor.Source: it returns the whole pages of b to the system.
func (f *File) Release(b []byte) {
	if page, ok := f.pages(b, true); ok {
		_ = unix.Madvise(page, unix.MADV_DONTNEED) // the file still has them
	}
}

// pages returns the mapped pages that hold b; with inside, only those that hold nothing else.
func (f *File) pages(b []byte, inside bool) ([]byte, bool) {
	if f.whole == nil || len(b) == 0 {
		return nil, false
	}
	size := os.Getpagesize()
	lo := int(uintptr(unsafe.Pointer(&b[0])) - uintptr(unsafe.Pointer(&f.whole[0])))
	hi := lo + len(b)
	if inside {
		lo, hi = (lo+size-1)/size*size, hi/size*size
	} else {
		lo, hi = lo/size*size, min((hi+size-1)/size*size, len(f.whole))
	}
	if lo < 0 || lo >= hi || hi > len(f.whole) {
		return nil, false
	}
	return f.whole[lo:hi], true
}
