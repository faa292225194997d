package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/kinora-video/kinora"
)

// helpVars are what help texts and defaults take from the code.
var helpVars = varsOf(kinora.DefaultModel)

// varsOf are the help's words about a model. Limits of the others are told by
// kinora models.
func varsOf(model string) kong.Vars {
	m, err := kinora.CapabilitiesOf(model)
	if err != nil {
		panic(err) // the default is no model: a mistake in the program
	}
	return kong.Vars{
		"model":      model,
		"models":     strings.Join(kinora.Models(), ", "),
		"seconds":    fmt.Sprint(m.Lengths.Default),
		"maxSeconds": fmt.Sprint(m.Lengths.Max),
		"maxSteps":   strconv.Itoa(m.Steps.Max),
		"steps":      strconv.Itoa(m.Steps.Default),
		"guidance":   fmt.Sprint(m.Guidance.Default),
		"languages":  orOf(m.LanguageNames()),
		"camera":     m.Prompt.Camera[1], // the first is to hold still
		"minSide":    strconv.Itoa(kinora.MinSide),
		"maxSide":    strconv.Itoa(kinora.MaxSide),
		"maxFPS":     strconv.Itoa(kinora.MaxFPS),
	}
}

// orOf lists choices: a, b or c.
func orOf(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
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
