package service

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kinora-video/kinora"
)

// CameraMoves are MiniMax's camera commands, in lower case, each with the commands
// that a local model may know it by: its own, or one that looks the same in a flat
// picture.
var CameraMoves = map[string][]string{
	"truck left": {"Truck left", "Pan left"}, "truck right": {"Truck right", "Pan right"},
	"pan left": {"Pan left"}, "pan right": {"Pan right"},
	"push in": {"Push in", "Zoom in"}, "pull out": {"Pull out", "Zoom out"}, "push out": {"Push out", "Zoom out"},
	"pedestal up": {"Pedestal up", "Tilt up"}, "pedestal down": {"Pedestal down", "Tilt down"},
	"tilt up": {"Tilt up"}, "tilt down": {"Tilt down"},
	"zoom in": {"Zoom in"}, "zoom out": {"Zoom out"},
	"shake": {"Shake"}, "tracking shot": {"Tracking shot"},
	"static shot": {"Static shot"}, "static": {"Static shot"},
}

// moveOf is a camera command of MiniMax's in a model's words; "" where it knows none
// that would do. ok says whether it is a command at all.
func moveOf(name string, can kinora.Capabilities) (move string, ok bool) {
	moves, ok := CameraMoves[strings.ToLower(name)]
	for _, m := range moves {
		if slices.Contains(can.Prompt.Camera, "["+m+"]") {
			return m, true
		}
	}
	return "", ok
}

// maxNotedWords is how much of a customer's bracket a note repeats, in
// characters.
const maxNotedWords = 40

// Camera is a prompt whose camera commands are in a model's words.
type Camera struct {
	Prompt string
	Moves  [][]string // the commands, a group for each bracket: groups in sequence, within a group at once
	Notes  []string

	can kinora.Capabilities // of the model
}

// ParseCamera translates the camera commands of a prompt into those that a model
// knows: [Truck left], [Pan left, Tilt up] at once, [Push in] ... [Shake] one after
// the other. Brackets without a command are text, and stay as they are.
func ParseCamera(prompt string, can kinora.Capabilities) Camera {
	c := Camera{can: can}
	var out strings.Builder
	rest := prompt
	for {
		open := strings.IndexByte(rest, '[')
		if open < 0 {
			break
		}
		shut := strings.IndexByte(rest[open:], ']')
		if shut < 0 {
			break
		}
		inner := rest[open+1 : open+shut]
		if i := strings.LastIndexByte(inner, '['); i >= 0 { // the innermost bracket is the one that counts
			open += i + 1
			inner = inner[i+1:]
		}
		out.WriteString(rest[:open])
		rest = rest[open+len(inner)+2:]
		text, ok := c.bracket(inner)
		switch {
		case !ok:
			out.WriteString("[" + inner + "]")
		case text == "": // what was removed leaves one space, not two
			trimmed := strings.TrimRight(out.String(), " ")
			out.Reset()
			out.WriteString(trimmed)
			if rest = strings.TrimLeft(rest, " "); trimmed != "" && rest != "" && !strings.ContainsAny(rest[:1], ".,;:!?") {
				out.WriteByte(' ')
			}
		default:
			out.WriteString(text)
		}
	}
	out.WriteString(rest)
	c.Prompt = out.String()
	if len(c.Moves) > 1 || len(c.Moves) == 1 && len(c.Moves[0]) > 1 {
		c.note("there are several camera moves in one video: all are passed on to the model, and it may follow only one")
	}
	return c
}

// bracket is what a bracket becomes; false when it holds no camera command.
func (c *Camera) bracket(inner string) (string, bool) {
	var group, words []string
	known := false
	for part := range strings.SplitSeq(strings.ReplaceAll(inner, "，", ","), ",") {
		name := strings.Join(strings.Fields(part), " ")
		move, ok := moveOf(name, c.can)
		known = known || ok
		switch {
		case !ok && name != "":
			words = append(words, name)
		case ok && move == "":
			c.note(fmt.Sprintf("[%s] was left out: %s knows no such camera move", name, c.can.Name))
		case ok && !slices.Contains(group, move):
			group = append(group, move)
		}
	}
	if !known {
		return "", false
	}
	var out []string
	if len(group) > 0 {
		c.Moves = append(c.Moves, group)
		out = append(out, "["+strings.Join(group, ", ")+"]")
	}
	if len(words) > 0 {
		w := strings.Join(words, ", ")
		c.note(fmt.Sprintf("%q is no camera command: it is read as part of the text", Shorten(w, maxNotedWords)))
		out = append(out, w)
	}
	return strings.Join(out, " "), true
}

func (c *Camera) note(s string) {
	if !slices.Contains(c.Notes, s) {
		c.Notes = append(c.Notes, s)
	}
}

// Shorten cuts a text to at most n characters.
func Shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
