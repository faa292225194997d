package terminal

import (
	"bytes"
	"regexp"
	"strings"
)

// Detect says from the environment what a terminal can. sure is false where only the
// terminal itself can say: see Ask.
func Detect(getenv func(string) string) (p Protocol, c Colours, sure bool) {
	term, program := getenv("TERM"), getenv("TERM_PROGRAM")
	switch colour := getenv("COLORTERM"); {
	case colour == "truecolor", colour == "24bit", strings.HasSuffix(term, "-direct"), getenv("WT_SESSION") != "":
		c = TrueColour
	}
	has := func(name string) bool { return getenv(name) != "" }
	switch {
	case term == "dumb":
		return None, c, true
	// A multiplexer draws text only: what it passes on would stay when it scrolls.
	case has("TMUX"), has("STY"), has("ZELLIJ"), strings.HasPrefix(term, "screen"), strings.HasPrefix(term, "tmux"):
		return Blocks, c, true
	case has("KITTY_WINDOW_ID"), term == "xterm-kitty", term == "xterm-ghostty", program == "ghostty":
		return Kitty, TrueColour, true
	case has("WEZTERM_PANE"), has("WEZTERM_EXECUTABLE"), program == "WezTerm", program == "iTerm.app", getenv("LC_TERMINAL") == "iTerm2":
		return ITerm, TrueColour, true
	case term == "foot", strings.HasPrefix(term, "foot-"), term == "mlterm", program == "mintty":
		return Sixel, TrueColour, true
	case program == "Apple_Terminal", term == "linux", term == "":
		return Blocks, c, true
	}
	return Blocks, c, false
}

// question asks whether a terminal knows kitty's protocol, and then for its device
// attributes (DA1), which nearly all terminals answer.
const question = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"

// attributes is the answer to DA1, which ends all answers.
var attributes = regexp.MustCompile(`\x1b\[\?([0-9;]*)c`)

// answered reads the answers: 4 among the device attributes stands for sixels.
func answered(reply []byte) (p Protocol, whole bool) {
	found := attributes.FindSubmatch(reply)
	if found == nil {
		return Blocks, false
	}
	if bytes.Contains(reply, []byte("\x1b_Gi=31;OK")) {
		return Kitty, true
	}
	for i, a := range strings.Split(string(found[1]), ";") {
		if i > 0 && a == "4" {
			return Sixel, true
		}
	}
	return Blocks, true
}
