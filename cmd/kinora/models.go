package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/bench"
	"github.com/kinora-video/kinora/internal/catalog"
)

// ModelsCmd says which models there are and what they can do.
type ModelsCmd struct {
	Model    string `arg:"" optional:"" help:"Print everything about this model. Default: a line or two about each."`
	JSON     bool   `name:"json" help:"Print the list as JSON, for programs."`
	Markdown bool   `help:"Print the page of documentation about all models, docs/models.md."`
}

// Run prints the models.
func (c *ModelsCmd) Run(s streams) error {
	switch {
	case c.Model != "" && c.Markdown:
		return usagef("--markdown is of all models: leave %s out", c.Model)
	case c.JSON && c.Markdown:
		return usagef("--json and --markdown: choose one")
	case c.Markdown:
		return printModelsPage(s.out, catalog.Builtin())
	}
	inside, pulled, available, err := listModels(bench.Throughput())
	if err != nil {
		return err
	}
	all := slices.Concat(inside, pulled, available)
	if c.Model != "" {
		i := slices.IndexFunc(all, func(m listed) bool { return m.Name == c.Model || slices.Contains(m.Aliases, c.Model) })
		if i < 0 {
			_, err := kinora.CapabilitiesOf(c.Model)
			return usageError{err}
		}
		if all = all[i : i+1]; !c.JSON {
			return printModel(s.out, all[0])
		}
	}
	if c.JSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(all)
	}
	return printModels(s.out, inside, pulled, available)
}

// printModels prints what distinguishes the models from each other.
func printModels(w io.Writer, inside, pulled, available []listed) error {
	width := 10
	for _, m := range slices.Concat(inside, pulled, available) {
		width = max(width, len(m.Name))
	}
	var b strings.Builder
	for _, group := range []struct {
		title  string
		models []listed
	}{{"", inside}, {"\nPulled:\n", pulled}, {"\nCan be pulled, with kinora pull NAME:\n", available}} {
		if len(group.models) > 0 {
			b.WriteString(group.title)
		}
		for _, m := range group.models {
			about := m.About
			if m.Default {
				about += " (the default)"
			}
			fmt.Fprintf(&b, "%-*s %s\n%-*s %s\n", width, m.Name, about, width, "", strings.Join(m.words(), "; "))
		}
	}
	b.WriteString("\nkinora models NAME tells all of one.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// words say what a model makes and what it takes.
func (m listed) words() []string {
	if m.State == stateUnfinished {
		return []string{fmt.Sprintf("%s, not pulled to the end: kinora pull %s goes on", bytesOf(m.Bytes), m.Name)}
	}
	if m.Problem != "" {
		return []string{m.Problem}
	}
	out := m.does()
	size := m.size()
	if size != "" && m.State == stateAvailable {
		size += " to fetch"
	}
	for _, part := range []string{size, m.memory(), m.time()} {
		if part != "" {
			out = append(out, part)
		}
	}
	if m.State == stateAvailable {
		for _, l := range m.Licences {
			out = append(out, l.Name)
		}
	}
	return out
}

// does says what a model is for.
func (m listed) does() []string {
	if m.Kind == talks {
		return m.talk()
	}
	return m.video()
}

// talk says what a language model is.
func (m listed) talk() []string {
	out := []string{"language model"}
	if n := m.Chat.Parameters; n > 0 {
		out = append(out, countOf(n)+" parameters")
	}
	if n := m.Chat.Context; n > 0 {
		out = append(out, fmt.Sprintf("conversations of up to %d tokens", n))
	}
	return out
}

// countOf writes a number of parameters.
func countOf(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f million", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f billion", float64(n)/1e9)
}

// video says what a model makes.
func (m listed) video() (out []string) {
	v := m.Video
	if v.Width > 0 {
		out = append(out, fmt.Sprintf("%v at %d fps", kinora.Size{Width: v.Width, Height: v.Height}, v.FPS))
	}
	if m.can != nil {
		out = append(out, fmt.Sprintf("up to %v s", m.can.Lengths.Max))
	}
	for _, ability := range []struct {
		has  bool
		name string
	}{
		{m.can != nil && m.can.Sound != nil, "sound"},
		{v.FirstFrame, "first frame"},
		{v.LastFrame, "last frame"},
		{m.can != nil && m.can.Negative, "negative prompt"},
	} {
		if ability.has {
			out = append(out, ability.name)
		}
	}
	return out
}

func (m listed) size() string {
	switch {
	case m.Bytes == 0:
		return ""
	case !m.SizeKnown:
		return "more than " + roughly(m.Bytes)
	case m.State == stateAvailable:
		return "about " + roughly(m.Bytes)
	}
	return bytesOf(m.Bytes)
}

func (m listed) memory() string {
	if m.Memory == 0 {
		return ""
	}
	return "about " + roughly(m.Memory) + " of memory"
}

// roughly writes a number of bytes for which a decimal would say too much.
func roughly(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%d MB", max(1, (n+5e5)/1e6))
	}
	return bytesOf(n)
}

// time says about how long this machine takes for a video.
func (m listed) time() string {
	if m.Video.Takes <= 0 {
		return ""
	}
	return fmt.Sprintf("%.2g s of video take %s here", m.Video.Seconds, aboutTime(time.Duration(m.Video.Takes*float64(time.Second))))
}

// aboutTime writes an estimate of a time, no finer than it is.
func aboutTime(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return "less than 0.1 s"
	case d < 10*time.Minute:
		return "about " + short(d)
	case d < time.Hour:
		return fmt.Sprintf("about %.0f min", d.Minutes())
	case d < 10*time.Hour:
		return "about " + short(d)
	}
	return fmt.Sprintf("about %.0f h", d.Hours())
}

// printModel prints all that is known of a model.
func printModel(w io.Writer, m listed) error {
	facts := []kinora.Fact{}
	if m.can != nil {
		facts = m.can.Facts()
	} else {
		facts = append(facts, kinora.Fact{Name: map[string]string{makesVideos: "video", talks: "kind"}[m.Kind], Text: strings.Join(m.does(), "; ")}, kinora.Fact{Name: "memory", Text: m.memory()})
	}
	facts = append(facts, kinora.Fact{Name: "here", Text: m.time()})
	if m.State != stateInside {
		facts = append(facts, kinora.Fact{Name: "also called", Text: strings.Join(m.Aliases, ", ")}, kinora.Fact{Name: "files", Text: m.size()})
		for _, l := range m.Licences {
			facts = append(facts, kinora.Fact{Name: "licence", Text: strings.TrimSuffix(l.Name+", "+l.Link, ", ")})
		}
		facts = append(facts, kinora.Fact{Name: "folder", Text: m.Folder}, kinora.Fact{Name: "state", Text: m.state()})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", m.Name, m.About)
	for _, f := range facts {
		if f.Text != "" {
			fmt.Fprintf(&b, "%-16s %s\n", f.Name, f.Text)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// state says whether a model is there, and what to do if it is not.
func (m listed) state() string {
	switch {
	case m.Problem != "":
		return m.Problem
	case m.State == stateAvailable:
		return "not here: kinora pull " + m.Name + " gets it"
	case m.State == stateUnfinished:
		return "not whole: kinora pull " + m.Name + " goes on"
	}
	return m.State
}

const modelsPage = `# Models

What each model can do, as it says itself.
This page is made by a command: ` + "`kinora models --markdown`" + `.
A request that asks for more is refused before it costs anything, and the refusal names a model that can.

`

const pullablePage = `
## Models that can be pulled

` + "`kinora pull NAME`" + ` fetches one of these; [pulling models](pulling.md) tells how. Sizes are those of the files. The work is that of sampling one such video, in 10¹⁵ operations: ` + "`kinora models`" + ` says how long that takes on your machine.

| name | about | video | size | work | licence |
|---|---|---|---|---|---|
`

const talkingPage = `
## Language models that can be pulled

` + "`kinora chat`" + ` talks with one of these, and a server answers with it; [chat](chat.md) tells how. Memory is that of the weights and of one conversation of 8192 tokens.

| name | about | parameters | conversation | size | memory | licence |
|---|---|---|---|---|---|---|
`

// printModelsPage prints a table of the models inside the program, and those of a
// catalogue that it can run: of videos, and of language.
func printModelsPage(w io.Writer, list *catalog.Catalog) error {
	var b strings.Builder
	b.WriteString(modelsPage)
	var names []string
	var rows [][]string
	for _, name := range kinora.Inside() {
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
	for _, group := range []struct {
		kind, page string
		row        func(listed) []string
	}{{makesVideos, pullablePage, pullableRow}, {talks, talkingPage, talkingRow}} {
		entries := slices.DeleteFunc(runnable(list), func(e catalog.Entry) bool { return kindOf(e.Engine) != group.kind })
		if len(entries) > 0 {
			b.WriteString(group.page)
		}
		for _, e := range entries {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(group.row(ofEntry(e)), " | "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// pullableRow is a model's row in the table of those that can be pulled.
func pullableRow(m listed) []string {
	video := m.video()
	if m.Video.Seconds > 0 {
		video = slices.Insert(video, min(1, len(video)), fmt.Sprintf("%.2g s", m.Video.Seconds))
	}
	work := "not known"
	if m.work > 0 {
		work = fmt.Sprintf("%.2g", m.work/1e15)
	}
	return []string{"`" + m.Name + "`", m.About, strings.Join(video, "; "), cmp.Or(m.size(), "told when it is pulled"), work, m.licences()}
}

// talkingRow is a language model's row.
func talkingRow(m listed) []string {
	return []string{
		"`" + m.Name + "`", m.About, countOf(m.Chat.Parameters), fmt.Sprintf("%d tokens", m.Chat.Context),
		cmp.Or(m.size(), "told when it is pulled"), strings.TrimSuffix(m.memory(), " of memory"), m.licences(),
	}
}

// licences are the model's, as links.
func (m listed) licences() string {
	var all []string
	for _, l := range m.Licences {
		all = append(all, fmt.Sprintf("[%s](%s)", l.Name, l.Link))
	}
	return strings.Join(all, ", ")
}
