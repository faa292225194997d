package kinora

// Info is the short form of a model's Capabilities: what it makes by itself.
type Info struct {
	Name          string
	About         string  // one line
	Width, Height int     // pixels of a native frame
	FPS           int     // native frames a second
	Steps         int     // default sampling steps
	Guidance      float32 // default guidance
	Image         bool    // takes a first frame

	prompt Capabilities // what PromptNotes reads
}

// Info returns what the model makes by itself.
func (m *Model) Info() Info { return InfoOf(m.caps) }

// InfoOf is the short form of capabilities.
func InfoOf(c Capabilities) Info {
	size := c.Sizes.Default()
	return Info{
		Name: c.Name, About: c.About, Width: size.Width, Height: size.Height, FPS: c.Rates[0],
		Steps: c.Steps.Default, Guidance: c.Guidance.Default, Image: c.FirstFrame, prompt: c,
	}
}

// Fit reports whether frames of the model's own size are cut, and whether they are
// enlarged, for a video of width×height; 0×0 is the model's own size.
func (i Info) Fit(width, height int) (cut, enlarged bool) {
	if width == 0 || height == 0 {
		return false, false
	}
	return Size{Width: i.Width, Height: i.Height}.Fit(Size{Width: width, Height: height})
}

// PromptNotes is that of the Capabilities.
func (i Info) PromptNotes(prompt string) []string { return i.prompt.PromptNotes(prompt) }
