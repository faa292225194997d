package main

import (
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/kinora-video/kinora"
)

// helpVars are what help texts and defaults take from the code.
var helpVars = kong.Vars{
	"model":      kinora.DefaultModel,
	"maxSeconds": strconv.Itoa(kinora.MaxSeconds),
	"maxSteps":   strconv.Itoa(kinora.MaxSteps),
	"maxSide":    strconv.Itoa(kinora.MaxSide),
	"maxFPS":     strconv.Itoa(kinora.MaxFPS),
}

// helpOf is the help of a flag, with its default where the text does not tell
// of one.
func helpOf(v *kong.Value) string {
	if !v.HasDefault || v.Default == "" || strings.Contains(v.Help, "Default:") {
		return v.Help
	}
	return v.Help + " Default: " + v.Default + "."
}
