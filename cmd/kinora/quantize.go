package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/weights/convert"
)

// QuantizeCmd writes weights again with fewer bits a number.
type QuantizeCmd struct {
	In        string   `arg:"" placeholder:"IN" help:"The weights: a .safetensors or .gguf file, or a folder with those of one part of a model."`
	Out       string   `arg:"" placeholder:"OUT" help:"Where to write: a .gguf file, or for int8 a .safetensors file."`
	Type      string   `required:"" placeholder:"TYPE" enum:"${quantTypes}" help:"The type of the large matrices, one of ${quantTypes}."`
	Keep      []string `placeholder:"NAME" sep:"none" help:"Keep tensors of this name as they are, in which a star stands for any text. May be given several times."`
	Overwrite bool     `help:"Replace the file if it is there."`
}

// Help is the end of the command's help.
func (QuantizeCmd) Help() string {
	return fmt.Sprintf(`Large matrices, of %d numbers and more, are quantised; all else stays as it is:
norms, biases, filters, small tables. Names and shapes do not change. The command
says how much was lost: the error of a matrix is the root mean square of what its
numbers changed by, as a share of that of the numbers themselves.

The types of 8 bits take half of the bytes of bf16, with errors of about 1 %%, those
of 5 bits a little more than a third, with about 4 %%, and those of 4 bits less than
a third, with about 8 %%. Memory does not grow with the weights.

Examples:
  kinora quantize wan/transformer wan-q8.gguf --type q8_0
  kinora quantize model.safetensors model-q4.gguf --type q4_1 --keep 'head.*'`, convert.MinNumbers)
}

// Run writes the weights.
func (c *QuantizeCmd) Run(ctx context.Context, s streams) error {
	target, err := convert.TargetOf(c.Type)
	if err != nil {
		return usagef("--type: %w", err)
	}
	release, err := c.reserve(target)
	if err != nil {
		return err
	}
	defer release()
	source, err := convert.Open(c.In)
	if err != nil {
		return err
	}
	defer source.Close()
	plan, err := source.Plan(target, c.Keep...)
	if err != nil {
		return usageError{err}
	}
	start := time.Now()
	m := newMeter(s.err)
	defer m.close(false)
	losses, err := plan.WriteFile(ctx, c.Out, func(done float64, written int) {
		m.update(quantizing(done, written, plan.Quantised+plan.Kept, time.Since(start)))
	})
	if err != nil {
		return err
	}
	m.close(true)
	info, err := os.Stat(c.Out)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "wrote %s: %s instead of %s (%.0f %%), in %s\n", c.Out, bytesOf(info.Size()), bytesOf(plan.Before),
		100*float64(info.Size())/float64(plan.Before), short(time.Since(start)))
	fmt.Fprintf(s.out, "%s: %d matrices; kept: %d tensors\n", c.Type, plan.Quantised, plan.Kept)
	worst := losses[0]
	fmt.Fprintf(s.out, "error of a matrix: %.2f %% in the middle, %.2f %% at the most (%s)\n", 100*losses[len(losses)/2].RMS, 100*worst.RMS, worst.Name)
	return nil
}

// reserve checks OUT before any work is done, and reserves its name.
func (c *QuantizeCmd) reserve(target convert.Target) (release func(), err error) {
	switch dir := filepath.Dir(c.Out); {
	case !strings.EqualFold(filepath.Ext(c.Out), target.Extension()):
		return nil, usagef("%s: weights in %s are written to a %s file: give it such a name", c.Out, c.Type, target.Extension())
	case isDir(c.Out):
		return nil, usagef("%s: it is a folder: name a file in it", c.Out)
	case !isDir(dir):
		return nil, usagef("%s: there is no folder %s: make it first", c.Out, dir)
	case sameFile(c.In, c.Out):
		return nil, usagef("%s: the weights cannot replace themselves: choose another name", c.Out)
	}
	if err := free(c.Out, c.Overwrite); err != nil {
		return nil, err
	}
	if release, err = scratch.Claim(c.Out); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Out, err)
	}
	if err := free(c.Out, c.Overwrite); err != nil { // another command may have made it since
		release()
		return nil, err
	}
	return release, nil
}

// sameFile reports whether two names are of one file.
func sameFile(in, out string) bool {
	a, errA := os.Stat(in)
	b, errB := os.Stat(out)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// quantizing is the progress that the meter shows, counted in tensors.
func quantizing(done float64, written, tensors int, spent time.Duration) kinora.Progress {
	p := kinora.Progress{Phase: "quantizing", Done: written, Total: tensors, Overall: done, Elapsed: spent}
	if done > 0.01 {
		p.Left = time.Duration(float64(spent) * (1 - done) / done)
	}
	return p
}
