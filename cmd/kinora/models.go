package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/kinora-video/kinora"
)

// ModelsCmd says what the models can do.
type ModelsCmd struct {
	Model    string `arg:"" optional:"" help:"Print everything about this model. Default: a line or two about each."`
	Markdown bool   `help:"Print the page of documentation about all models, docs/models.md."`
}

// Run prints what the models can do.
func (c *ModelsCmd) Run(s streams) error {
	switch {
	case c.Model != "" && c.Markdown:
		return usagef("--markdown is of all models: leave %s out", c.Model)
	case c.Markdown:
		return printModelsPage(s.out)
	case c.Model != "":
		m, err := kinora.CapabilitiesOf(c.Model)
		if err != nil {
			return usageError{err}
		}
		return printModel(s.out, m)
	}
	for _, name := range kinora.Models() {
		m, err := kinora.CapabilitiesOf(name)
		if err != nil {
			return err
		}
		if err := printModelLine(s.out, m); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(s.out, "\nkinora models NAME tells all of one.\n")
	return err
}

// printModelLine prints what distinguishes a model from the others.
func printModelLine(w io.Writer, m kinora.Capabilities) error {
	about := m.About
	if m.Name == kinora.DefaultModel {
		about += " (the default)"
	}
	can := []string{fmt.Sprintf("%v at %d fps", m.Sizes.Default(), m.Rates[0]), fmt.Sprintf("up to %v s", m.Lengths.Max)}
	for _, ability := range []struct {
		has  bool
		name string
	}{{m.Sound != nil, "sound"}, {m.FirstFrame, "first frame"}, {m.LastFrame, "last frame"}, {m.Negative, "negative prompt"}} {
		if ability.has {
			can = append(can, ability.name)
		}
	}
	_, err := fmt.Fprintf(w, "%-10s %s\n%-10s %s\n", m.Name, about, "", strings.Join(can, "; "))
	return err
}

// printModel prints all capabilities of a model.
func printModel(w io.Writer, m kinora.Capabilities) error {
	if _, err := fmt.Fprintf(w, "%s: %s\n\n", m.Name, m.About); err != nil {
		return err
	}
	for _, f := range m.Facts() {
		if _, err := fmt.Fprintf(w, "%-16s %s\n", f.Name, f.Text); err != nil {
			return err
		}
	}
	return nil
}

const modelsPage = `# Models

What each model can do, as it says itself.
This page is made by a command: ` + "`kinora models --markdown`" + `.
A request that asks for more is refused before it costs anything, and the refusal names a model that can.

`

// printModelsPage prints a table of all models.
func printModelsPage(w io.Writer) error {
	var b strings.Builder
	b.WriteString(modelsPage)
	var names []string
	var rows [][]string
	for _, name := range kinora.Models() {
		m, err := kinora.CapabilitiesOf(name)
		if err != nil {
			return err
		}
		names = append(names, "`"+name+"`")
		for i, f := range append([]kinora.Fact{{Name: "about", Text: m.About}}, m.Facts()...) {
			if i == len(rows) {
				rows = append(rows, []string{f.Name})
			}
			rows[i] = append(rows[i], strings.ReplaceAll(f.Text, "|", `\|`))
		}
	}
	fmt.Fprintf(&b, "| | %s |\n|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)+1))
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
