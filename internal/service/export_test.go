package service

import "context"

// Names that tests hold against links and limits.
var CleanName = cleanName

// KeepAtMost bounds a picture as it is kept, in bytes.
func (s *Service) KeepAtMost(n int) { s.maxPNG = n }

// TakePictures takes the place of all pictures that are decoded at a time.
func (s *Service) TakePictures(ctx context.Context) (done func(), err error) {
	return func() { s.pictures.Release(picturesAtOnce) }, s.pictures.Acquire(ctx, picturesAtOnce)
}
