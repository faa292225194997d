package server

import (
	"github.com/kinora-video/kinora/internal/api/apitest"

	"github.com/kinora-video/kinora/internal/api/native"
)

// nativeOn is the native API on a fake, without what needs a database.
func nativeOn(f *apitest.Service) *native.API { return native.New(native.Parts{Service: f}) }
