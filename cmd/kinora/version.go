package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/model/upscale"
	"github.com/kinora-video/kinora/internal/model/voice"
	"github.com/kinora-video/kinora/internal/model/voice/english"
	"github.com/kinora-video/kinora/internal/simd"
)

// VersionCmd prints what this build is.
type VersionCmd struct {
	Licences bool `help:"Print the licences of the weights inside that are not our own."`
}

// Run prints the version, the commit where it is known, the models and the
// kernels in use.
func (v VersionCmd) Run(s streams) error {
	if v.Licences {
		_, err := fmt.Fprintf(s.out, "The network of --upscale learned is realesr-animevideov3 of Real-ESRGAN, converted:\n\n%s"+
			"\nThe voice of kinora speak, and how it reads English, are Hibari's, converted:\n\n%s"+
			"\nspaCy, whose special cases and tags that uses:\n\n%s", upscale.License(), voice.License(), english.License())
		return err
	}
	version, commit := "(unknown version)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, kv := range info.Settings {
			if kv.Key == "vcs.revision" {
				commit = " " + kv.Value[:min(12, len(kv.Value))]
			}
		}
	}
	_, err := fmt.Fprintf(s.out, "kinora %s%s, %s %s/%s\nmodels: %s\nkernels: %v, %d threads\n",
		version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH,
		strings.Join(kinora.Models(), ", "), simd.Current(), simd.Threads())
	return err
}
