package apitest_test

import (
	"github.com/kinora-video/kinora/internal/api/apitest"

	"github.com/kinora-video/kinora/internal/api/native"
)

// nativeOn is the native API on a service, without hooks, tenants and reports.
func nativeOn(f *apitest.Service) *native.API { return native.New(native.Parts{Service: f}) }
