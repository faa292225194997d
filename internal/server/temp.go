package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// tempFolder is the folder of temporary files, within the folder of work.
const tempFolder = "tmp"

// A temporary file counts as abandoned by a killed process if it was last written
// staleTemp ago and this process has seen it unchanged for leftTemp. The latter
// is needed because correcting a wrong clock makes every file old at once.
const (
	staleTemp = 24 * time.Hour // no request or attempt takes as long
	leftTemp  = time.Hour
)

// tempFile records when a temporary file was last written, and since when this
// process has known that time.
type tempFile struct {
	written time.Time // by the clock of the file system
	since   time.Time // by this process's clock
}

// UseTemp makes this process, and programs that it starts, put temporary files
// into the data folder: parts of large uploads, sound, videos to be joined. The
// system's temporary folder may be missing, small, or on a read-only disk. Call
// it at program start, as it changes the environment.
func UseTemp(c Config) error {
	dir, err := filepath.Abs(tempOf(c))
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = checkTemp(dir)
	}
	// The variables that os.TempDir and other programs read, on Unix and Windows.
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		if err == nil {
			err = os.Setenv(name, dir)
		}
	}
	if err != nil {
		return fmt.Errorf("data folder: make the folder for temporary files: %w", err)
	}
	return nil
}

func tempOf(c Config) string { return filepath.Join(c.Data, workFolder, tempFolder) }

// checkTemp returns an error if no temporary file can be made in a folder.
func checkTemp(dir string) error {
	f, err := os.CreateTemp(dir, "check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// tidyTemp removes files that killed processes left in the folder of UseTemp.
// Only the janitor calls it.
func (s *Server) tidyTemp(now time.Time) {
	dir := tempOf(s.cfg)
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) { // UseTemp was not called
			s.log.Warn("the folder of temporary files could not be read", "error", err)
		}
		return
	}
	seen := map[string]tempFile{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // it was just removed
		}
		last, known := s.temps[e.Name()]
		if !known || !last.written.Equal(info.ModTime()) {
			last = tempFile{info.ModTime(), now}
		}
		if now.Sub(last.written) < staleTemp || now.Sub(last.since) < leftTemp {
			seen[e.Name()] = last
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			s.log.Warn("an abandoned temporary file could not be removed", "file", e.Name(), "error", err)
		}
	}
	s.temps = seen
}
