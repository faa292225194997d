package kinora

import (
	"context"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/engine"
)

// TestOpenRefuses: a model that has no use for an option says so before it opens.
func TestOpenRefuses(t *testing.T) {
	for want, opt := range map[string]Option{
		"memory: the model testcard keeps within no limit (it takes about 1 MB: leave the limit out)": WithMemory(1 << 30),
		"LoRA: the model testcard takes none":                     WithLoRA(LoRA{Path: "x", Strength: 1}),
		"decoder: the model testcard has only one (leave it out)": WithDecoder(engine.TinyDecoder),
	} {
		_, err := Open(t.Context(), "testcard", opt)
		if KindOf(err) != Invalid || err == nil || !strings.HasPrefix(err.Error(), "open model testcard: ") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	m, _ := fakeModel(t)
	if _, err := m.Generate(t.Context(), Request{Prompt: "x", StepCache: 0.1}); KindOf(err) != Unsupported {
		t.Errorf("a step cache for a model without: %v", err)
	}
	e := &fakeEngine{change: func(c *Capabilities) { c.Extras.StepCache = true }}
	m = newModel(e, t.TempDir())
	for _, x := range []float32{-0.1, 1.1} {
		if _, err := m.Generate(t.Context(), Request{Prompt: "x", StepCache: x}); KindOf(err) != Invalid {
			t.Errorf("step cache %v: %v", x, err)
		}
	}
	generate(t, m, Request{Prompt: "x", Seconds: 1, StepCache: 0.25})
	if got := e.jobs[0].StepCache; got != 0.25 {
		t.Errorf("the engine got a step cache of %v", got)
	}
}

// TestOptionsReachTheEngine: what Open is told, the model is told, and its notes
// come back; a refusal by the model is the caller's to mend.
func TestOptionsReachTheEngine(t *testing.T) {
	was := registry
	defer func() { registry = was }()
	var got engine.Options
	fake := &fakeEngine{change: func(c *Capabilities) {
		c.Extras = engine.Extras{Memory: true, LoRA: true, Decoders: []engine.Decoder{engine.FullDecoder, engine.TinyDecoder}}
	}}
	var fails error
	registry = []engine.Spec{{Capabilities: fake.Capabilities, Open: func(_ context.Context, o engine.Options) (engine.Engine, error) {
		got = o
		o.Note("opened")
		return fake, fails
	}}}
	var notes []string
	opts := []Option{
		WithMemory(6 << 30), WithLoRA(LoRA{Path: "a", Strength: 1}), WithLoRA(LoRA{Path: "b", Strength: 2}), WithDecoder(engine.TinyDecoder),
		WithNotes(func(line string) { notes = append(notes, line) }),
	}
	m, err := Open(t.Context(), "fake", opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if got.Memory != 6<<30 || len(got.LoRAs) != 2 || got.LoRAs[1] != (LoRA{Path: "b", Strength: 2}) || got.Decoder != engine.TinyDecoder || len(notes) != 1 {
		t.Errorf("the engine got %+v and gave the notes %q", got, notes)
	}
	fails = &engine.Refusal{Field: "LoRA", Why: "a fits no layer", Hint: "take another"}
	if _, err := Open(t.Context(), "fake", opts...); KindOf(err) != Invalid || err.Error() != "open model fake: LoRA: a fits no layer (take another)" {
		t.Errorf("refused: %v", err)
	}

	// A pool tells its limit to a model that keeps within one.
	fails = nil
	p := NewPool(5<<30, WithNotes(func(string) {}))
	_, release, err := p.Use(t.Context(), "fake")
	if err != nil {
		t.Fatal(err)
	}
	release()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got.Memory != 5<<30 {
		t.Errorf("the pool opens with a limit of %d bytes", got.Memory)
	}
}
