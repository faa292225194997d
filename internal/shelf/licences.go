package shelf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/text"
)

// Acceptance is a licence that was accepted.
type Acceptance struct {
	catalog.Licence
	Model string    `json:"model"` // for which it was asked
	When  time.Time `json:"when"`
}

// Accepted returns what was accepted.
func (s *Shelf) Accepted() ([]Acceptance, error) {
	path := filepath.Join(s.dir, licences)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Acceptance
	data, err := text.Read(f, maxRecordBytes)
	if err == nil {
		err = json.Unmarshal([]byte(data), &all)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w: remove it, and accept the licences again", path, err)
	}
	return all, nil
}

// Unaccepted are the licences of some that were not accepted for a model.
func (s *Shelf) Unaccepted(model string, of []catalog.Licence) ([]catalog.Licence, error) {
	all, err := s.Accepted()
	if err != nil {
		return nil, err
	}
	var out []catalog.Licence
	for _, l := range of {
		if !slices.ContainsFunc(all, func(a Acceptance) bool { return a.Model == model && a.Licence == l }) {
			out = append(out, l)
		}
	}
	return out, nil
}

// Accept records that licences were accepted for a model.
func (s *Shelf) Accept(model string, of []catalog.Licence, when time.Time) error {
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return err
	}
	release, err := s.lock("licences", true)
	if err != nil {
		return err
	}
	defer release()
	all, err := s.Accepted()
	if err != nil {
		return err
	}
	for _, l := range of {
		all = append(all, Acceptance{Licence: l, Model: model, When: when.UTC().Truncate(time.Second)})
	}
	return writeJSON(filepath.Join(s.dir, licences), all)
}
