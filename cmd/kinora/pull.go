package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/hub"
	"github.com/kinora-video/kinora/internal/shelf"
)

// PullCmd fetches a model.
type PullCmd struct {
	Model         string `arg:"" help:"A model of kinora models, or hf:OWNER/REPOSITORY, with @REVISION if it is not main."`
	As            string `placeholder:"NAME" help:"What to call the model of a repository. Default: the repository's name."`
	AcceptLicence bool   `name:"accept-license" help:"Accept the licence without being asked."`
	Quiet         bool   `short:"q" help:"Print nothing but errors."`
}

// Help is the end of the command's help.
func (PullCmd) Help() string {
	return `A pull that was interrupted goes on where it ended. Models go into kinora/models in
the user's data folder, or where KINORA_MODELS says. HF_ENDPOINT names another hub
than huggingface.co, and HF_TOKEN a token for what not everybody may read.`
}

// Run fetches the model.
func (c *PullCmd) Run(ctx context.Context, s streams) error {
	if c.Quiet {
		s.err = io.Discard
		s.out = io.Discard
	}
	o, err := hub.FromEnv()
	if err != nil {
		return err
	}
	h, err := hub.New(o)
	if err != nil {
		return usageError{err}
	}
	to, err := shelf.Default()
	if err != nil {
		return err
	}
	e, err := c.entry(ctx, h)
	if err != nil {
		return err
	}
	plan, err := h.Plan(ctx, to, e)
	if err != nil {
		return err
	}
	if plan.Here {
		_, err := fmt.Fprintf(s.out, "%s is here already: %s in %s\n", e.Name, bytesOf(plan.Bytes), to.ModelDir(e.Name))
		return err
	}
	if err := c.licence(ctx, s, to, e.Name, plan.Record.Licences); err != nil {
		return err
	}
	there := ""
	if have := plan.Bytes - plan.Missing; have > 0 {
		there = fmt.Sprintf(", of which %s are here", bytesOf(have))
	}
	files := "1 file"
	if n := len(plan.Record.Files); n != 1 {
		files = fmt.Sprintf("%d files", n)
	}
	fmt.Fprintf(s.err, "pulling %s from %s: %s in %s%s\n", e.Name, h.Endpoint(), bytesOf(plan.Bytes), files, there)
	bar := newPullMeter(s.err)
	start := time.Now()
	err = h.Pull(ctx, to, plan, bar.update)
	bar.close()
	if err != nil {
		if bar.came() > 0 {
			fmt.Fprintf(s.err, "what has come stays: kinora pull %s goes on from there\n", e.Name)
		}
		return err
	}
	use := "use it with --model " + e.Name
	if kindOf(e.Engine) == talks {
		use = "talk with it: kinora chat --model " + e.Name
	}
	_, err = fmt.Fprintf(s.out, "pulled %s: %s in %s; %s\n", e.Name, bytesOf(plan.Bytes), short(time.Since(start)), use)
	return err
}

// entry finds what the model is made of.
func (c *PullCmd) entry(ctx context.Context, h *hub.Hub) (catalog.Entry, error) {
	list, err := catalog.Load()
	if err != nil {
		return catalog.Entry{}, usageError{err}
	}
	repository, revision, unlisted, err := hub.Reference(c.Model)
	switch {
	case err != nil:
		return catalog.Entry{}, usageError{err}
	case unlisted:
		name := c.As
		if name == "" {
			_, name, _ = strings.Cut(strings.ToLower(repository), "/")
		}
		if err := catalog.CheckName(name); err != nil {
			return catalog.Entry{}, usageError{fmt.Errorf("%w: choose a name with --as", err)}
		}
		if _, taken := list.Find(name); taken || slices.Contains(kinora.Inside(), name) {
			return catalog.Entry{}, usagef("%s is the name of another model: choose one with --as", name)
		}
		return h.Unlisted(ctx, list, kinora.Engines(), name, repository, revision)
	case c.As != "":
		return catalog.Entry{}, usagef("--as is for models given as hf:…: %s has a name", c.Model)
	case slices.Contains(kinora.Inside(), c.Model):
		return catalog.Entry{}, usagef("%s is inside the program: there is nothing to pull", c.Model)
	}
	e, ok := list.Find(c.Model)
	if ok && !slices.Contains(kinora.Engines(), e.Engine) {
		return e, usagef("%s needs the engine %s, which this program lacks: a newer kinora may have it", e.Name, e.Engine)
	}
	if !ok {
		return e, unknownModel(c.Model, list)
	}
	return e, nil
}

// unknownModel says which models could be meant.
func unknownModel(name string, list *catalog.Catalog) error {
	var names []string
	for _, e := range runnable(list) {
		names = append(names, e.Name)
	}
	if near := nearest(name, names); near != "" {
		return usagef("there is no model %s to pull: did you mean %s?", name, near)
	}
	if strings.Count(name, "/") == 1 {
		return usagef("there is no model %s to pull: for a repository, write hf:%s", name, name)
	}
	return usagef("there is no model %s to pull: kinora models lists those that are; hf:OWNER/REPOSITORY is for others", name)
}

// runnable are the models of a catalogue that this program can run.
func runnable(list *catalog.Catalog) []catalog.Entry {
	engines := kinora.Engines()
	return slices.DeleteFunc(slices.Clone(list.Entries), func(e catalog.Entry) bool { return !slices.Contains(engines, e.Engine) })
}

// licence shows the licences of a model and asks for their acceptance, unless they
// were accepted for it before, and records that.
func (c *PullCmd) licence(ctx context.Context, s streams, to *shelf.Shelf, model string, all []catalog.Licence) error {
	left, err := to.Unaccepted(model, all)
	if err != nil || len(left) == 0 {
		return err
	}
	where := ""
	for _, l := range left {
		fmt.Fprintf(s.err, "licence: %s, %s\n", l.Name, l.Link)
		where += "; " + l.Name + ", " + l.Link
	}
	if !c.AcceptLicence {
		if c.Quiet || !isTerminal(s.err) || !isTerminal(os.Stdin) {
			return usagef("the licence of %s has to be accepted (%s): read it, and add --accept-license", model, where[2:])
		}
		fmt.Fprintf(s.err, "Do you accept it? [y/N] ")
		yes, err := ask(ctx, os.Stdin)
		if err != nil {
			fmt.Fprintln(s.err) // ends the line of the question
			return err
		}
		if !yes {
			return usagef("without that, %s is not pulled", model)
		}
	}
	return to.Accept(model, left, time.Now())
}

// ask waits for an answer to a question: yes, or anything else for no.
func ask(ctx context.Context, r io.Reader) (yes bool, err error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(r, 100)).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		switch strings.ToLower(strings.TrimSpace(a.line)) {
		case "y", "yes":
			return true, a.err
		}
		return false, a.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// RmCmd removes pulled models.
type RmCmd struct {
	Models []string `arg:"" name:"model" help:"Pulled models of kinora models, also such that are not whole."`
}

// Run removes the models and says how much room that made.
func (c *RmCmd) Run(ctx context.Context, s streams) error {
	from, err := shelf.Default()
	if err != nil {
		return err
	}
	for _, name := range c.Models {
		if slices.Contains(kinora.Inside(), name) {
			return usagef("%s is inside the program and stays there", name)
		}
		size := int64(0)
		r, err := from.Find(name)
		if err == nil {
			name, size = r.Name, r.Size()
		}
		freed, err := from.Remove(ctx, name)
		if errors.Is(err, shelf.ErrNotPulled) {
			return usagef("%s has not been pulled: kinora models says what has", name)
		}
		if err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
		stays := ""
		if kept := size - freed; kept > 0 {
			stays = fmt.Sprintf("; %s stay, as other models use them", bytesOf(kept))
		}
		if _, err := fmt.Fprintf(s.out, "removed %s: %s are free again%s\n", name, bytesOf(freed), stays); err != nil {
			return err
		}
	}
	return nil
}
