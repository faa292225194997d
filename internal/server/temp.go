package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// tempFolder is where temporary files go, within the folder of work.
const tempFolder = "tmp"

// A temporary file is taken for one that a killed process left when it was last
// written staleTemp ago, and this process saw it unchanged for leftTemp: a clock
// that was wrong and is put right makes every file old at once.
const (
	staleTemp = 24 * time.Hour // no request or attempt takes as long
	leftTemp  = time.Hour
)

// tempLook is when a temporary file was last written, and since when this process
// has known that.
type tempLook struct {
	written time.Time // by the clock of the file system
	since   time.Time // by that of this process
}

// UseTemp has this process, and what it starts, put temporary files into the data
// folder: parts of large uploads, sound, films that are joined. The system's
// place for them may be missing, or on a disk that is read-only or small. It is
// for the start of a program, as it changes the environment.
func UseTemp(c Config) error {
	dir, err := filepath.Abs(tempOf(c))
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = checkTemp(dir)
	}
	// The names that os.TempDir and other programs look at, on Unix and Windows.
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		if err == nil {
			err = os.Setenv(name, dir)
		}
	}
	if err != nil {
		return fmt.Errorf("data folder: make a place for temporary files: %w", err)
	}
	return nil
}

func tempOf(c Config) string { return filepath.Join(c.Data, workFolder, tempFolder) }

// checkTemp reports why no temporary file can be made in a folder.
func checkTemp(dir string) error {
	f, err := os.CreateTemp(dir, "check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// tidyTemp removes what killed processes left in the folder of UseTemp. It is
// called from time to time, by the janitor alone.
func (s *Server) tidyTemp(now time.Time) {
	dir := tempOf(s.cfg)
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) { // UseTemp was not called
			s.log.Warn("looking for temporary files that were left", "error", err)
		}
		return
	}
	seen := map[string]tempLook{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // it has just gone
		}
		look, known := s.temps[e.Name()]
		if !known || !look.written.Equal(info.ModTime()) {
			look = tempLook{info.ModTime(), now}
		}
		if now.Sub(look.written) < staleTemp || now.Sub(look.since) < leftTemp {
			seen[e.Name()] = look
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			s.log.Warn("removing a temporary file that was left", "file", e.Name(), "error", err)
		}
	}
	s.temps = seen
}
