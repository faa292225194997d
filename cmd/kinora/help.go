package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/bench"
	"github.com/kinora-video/kinora/internal/weights/convert"
)

// helpVars are the values of the code that help texts and defaults contain.
var helpVars = varsOf(kinora.DefaultModel)

// varsOf returns the values that the help says of one model. kinora models prints
// those of the others.
func varsOf(model string) kong.Vars {
	m, err := kinora.CapabilitiesOf(model)
	if err != nil {
		panic(err) // there is no model of the default name: a mistake in the program
	}
	return kong.Vars{
		"benchWeights": strings.Join(bench.Stores, ", "),
		"model":        model,
		"models":       strings.Join(kinora.Models(), ", "),
		"seconds":      fmt.Sprint(m.Lengths.Default),
		"maxSeconds":   fmt.Sprint(m.Lengths.Max),
		"maxSteps":     strconv.Itoa(m.Steps.Max),
		"steps":        strconv.Itoa(m.Steps.Default),
		"guidance":     fmt.Sprint(m.Guidance.Default),
		"languages":    orOf(m.LanguageNames()),
		"camera":       m.Prompt.Camera[1], // the first one means: hold still
		"minSide":      strconv.Itoa(kinora.MinSide),
		"maxSide":      strconv.Itoa(kinora.MaxSide),
		"maxFPS":       strconv.Itoa(kinora.MaxFPS),
		"maxNarration": fmt.Sprint(kinora.MaxNarrationSpeed),
		"maxVolume":    fmt.Sprint(kinora.MaxSoundVolume),
		"quantTypes":   strings.Join(convert.Targets(), ","),
		"temperature":  fmt.Sprint(kinora.DefaultDecoding.Temperature),
		"topP":         fmt.Sprint(kinora.DefaultDecoding.TopP),
		"topK":         strconv.Itoa(kinora.DefaultDecoding.TopK),
		"answerTokens": strconv.Itoa(kinora.DefaultAnswerTokens),
		"chatContext":  strconv.Itoa(kinora.DefaultChatContext),
	}
}

// orOf lists choices: a, b or c.
func orOf(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// helpOf returns the help of a flag. It adds the default, if the text names none,
// and the environment variable that may be used instead of the flag.
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
