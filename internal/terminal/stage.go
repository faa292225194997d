package terminal

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"sync"
)

// Stage is a picture above a line of text, at the end of a terminal. Both are replaced in
// place. Its calls return at once: a goroutine writes what was given last, and skips what
// came before that.
type Stage struct {
	w       io.Writer
	size    func() Size
	how     Protocol
	colours Colours

	mu      sync.Mutex
	changed *sync.Cond
	picture image.Image // not yet drawn
	line    string
	fresh   bool // the line has not been written
	above   []byte
	closed  bool
	done    chan struct{}

	// What stands on the terminal; only the goroutine uses it.
	columns, rows int  // of the picture; no rows for none
	last          Size // when it was drawn
	shown         image.Image
}

// NewStage begins a stage. size is asked before each picture, so that it follows a
// terminal that changes.
func NewStage(w io.Writer, p Protocol, c Colours, size func() Size) *Stage {
	s := &Stage{w: w, size: size, how: p, colours: c, done: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	go s.run()
	return s
}

// Show replaces the picture. It must not change afterwards.
func (s *Stage) Show(img image.Image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.picture = img
	s.changed.Signal()
}

// Line replaces the text.
func (s *Stage) Line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != text {
		s.line, s.fresh = text, true
		s.changed.Signal()
	}
}

// Write writes lines of text above the picture. It never fails: what comes after Close
// is lost.
func (s *Stage) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.above = append(s.above, text...)
	s.changed.Signal()
	return len(text), nil
}

// Close removes picture and text, and leaves the cursor where the picture began.
func (s *Stage) Close() {
	s.mu.Lock()
	s.closed = true
	s.changed.Signal()
	s.mu.Unlock()
	<-s.done
}

func (s *Stage) run() {
	defer close(s.done)
	for {
		s.mu.Lock()
		for s.picture == nil && !s.fresh && len(s.above) == 0 && !s.closed {
			s.changed.Wait()
		}
		img, line, above, closed := s.picture, s.line, s.above, s.closed
		s.picture, s.fresh, s.above = nil, false, nil
		s.mu.Unlock()
		var b bytes.Buffer
		const begin, end = "\x1b[?2026h", "\x1b[?2026l" // shown at once where the terminal can
		b.WriteString(begin)
		if len(above) > 0 {
			s.clear(&b)
			b.Write(above)
			if img == nil {
				img = s.shown // again, below the text
			}
		}
		if closed {
			s.clear(&b)
		} else {
			s.draw(&b, img, line)
		}
		b.WriteString(end)
		_, err := s.w.Write(b.Bytes())
		if closed || err != nil {
			return
		}
	}
}

// draw writes picture and line; the cursor is on the line before and after.
func (s *Stage) draw(b *bytes.Buffer, img image.Image, line string) {
	now := s.size()
	if img != nil {
		s.shown = img
		columns, rows := now.Box(img.Bounds().Size())
		if columns != s.columns || rows != s.rows || now != s.last {
			s.clear(b)
			b.Write(bytes.Repeat([]byte("\n"), rows))
			s.columns, s.rows, s.last = columns, rows, now
		}
		// Where encoding leaves the cursor differs between terminals.
		fmt.Fprintf(b, "\r\x1b7\x1b[%dA", rows)
		_ = Encode(b, s.how, img, now, columns, rows, s.colours) // a Buffer takes all
		b.WriteString("\x1b8")
	}
	text := []rune(line)
	fmt.Fprintf(b, "\r%s\x1b[K", string(text[:min(len(text), max(1, now.Columns-1))]))
}

// clear removes picture and line.
func (s *Stage) clear(b *bytes.Buffer) {
	b.WriteString("\r")
	if s.rows > 0 {
		fmt.Fprintf(b, "\x1b[%dA", s.up())
		if s.how == Kitty {
			_ = forget(b) // a Buffer takes all
		}
	}
	b.WriteString("\x1b[J")
	s.rows = 0
}

// up is how far above the line the picture begins: further where rows of text no longer
// fit into a narrower terminal and were wrapped.
func (s *Stage) up() int {
	now := s.size()
	if s.how != Blocks || now.Columns <= 0 || now.Columns >= s.columns {
		return s.rows
	}
	return s.rows * ((s.columns + now.Columns - 1) / now.Columns)
}
