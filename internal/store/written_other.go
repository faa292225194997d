//go:build !linux

package store

import "errors"

// watchWrites is not supported on this system.
func watchWrites(string) (written <-chan struct{}, stop func(), err error) {
	return nil, nil, errors.ErrUnsupported
}
