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

// staleTemp is how long a temporary file must lie untouched to be taken for one
// that a killed process left; no request or attempt takes as long.
const staleTemp = 24 * time.Hour

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

// tidyTemp removes what killed processes left in the folder of UseTemp.
func (s *Server) tidyTemp(now time.Time) {
	dir := tempOf(s.cfg)
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) { // UseTemp was not called
			s.log.Warn("looking for temporary files that were left", "error", err)
		}
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < staleTemp {
			continue // it has just gone, or is in use
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			s.log.Warn("removing a temporary file that was left", "file", e.Name(), "error", err)
		}
	}
}
