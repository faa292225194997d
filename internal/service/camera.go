package service

import (
	"fmt"
	"slices"
	"strings"
)

// CameraMoves are MiniMax's camera commands, in lower case, and the commands
// that reel was taught, which look the same in a flat picture. "" is a move that
// reel does not know.
var CameraMoves = map[string]string{
	"truck left": "Pan left", "truck right": "Pan right",
	"pan left": "Pan left", "pan right": "Pan right",
	"push in": "Zoom in", "pull out": "Zoom out", "push out": "Zoom out",
	"pedestal up": "Tilt up", "pedestal down": "Tilt down",
	"tilt up": "Tilt up", "tilt down": "Tilt down",
	"zoom in": "Zoom in", "zoom out": "Zoom out",
	"shake": "", "tracking shot": "",
	"static shot": "Static shot", "static": "Static shot",
}

// maxNotedWords is how much of a customer's bracket a note repeats, in
// characters.
const maxNotedWords = 40

// Camera is a prompt whose camera commands are in the engine's words.
type Camera struct {
	Prompt string
	Moves  [][]string // the commands, a group for each bracket: groups in sequence, within a group at once
	Notes  []string
}

// ParseCamera translates the camera commands of a prompt: [Truck left],
// [Pan left, Tilt up] at once, [Push in] ... [Shake] one after the other.
// Brackets without a command are text, and stay as they are.
func ParseCamera(prompt string) Camera {
	var c Camera
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
		c.note("the local model knows one camera move in a clip: several are passed on to it, and it may follow only one")
	}
	return c
}

// bracket is what a bracket becomes; false when it holds no camera command.
func (c *Camera) bracket(inner string) (string, bool) {
	var group, words []string
	known := false
	for part := range strings.SplitSeq(strings.ReplaceAll(inner, "，", ","), ",") {
		name := strings.Join(strings.Fields(part), " ")
		move, ok := CameraMoves[strings.ToLower(name)]
		known = known || ok
		switch {
		case !ok && name != "":
			words = append(words, name)
		case ok && move == "":
			c.note(fmt.Sprintf("[%s] was left out: the local model knows no such camera move", name))
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
