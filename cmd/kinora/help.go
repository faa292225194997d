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
// of one, and with the environment variable that may stand in for it.
func helpOf(v *kong.Value) string {
	help := v.Help
	if v.HasDefault && v.Default != "" && !strings.Contains(help, "Default:") {
		help += " Default: " + v.Default + "."
	}
	for _, name := range v.Tag.Envs {
		help += " (" + name + ")"
	}
	return help
}
