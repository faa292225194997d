package nn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/tensor"
)

// A Layout is one of the ways in which files name the parameters of a model.
type Layout struct {
	// Title names the layout in errors, such as "diffusers".
	Title string
	// Prefix stands before each of the model's names in a file.
	Prefix string
	// Names has the model's own names and those of the files. A pair is of
	// whole names, or of beginnings, which end in a dot. "#" stands for the
	// number of a block. Names that are in no pair are the same in both.
	Names [][2]string
}

// Name is what the files call the parameter that the model calls own.
func (l *Layout) Name(own string) string { return l.Prefix + l.replace(own, 0, 1) }

// Own is what the model calls the parameter that the files call name.
func (l *Layout) Own(name string) string {
	return l.replace(strings.TrimPrefix(name, l.Prefix), 1, 0)
}

// replace turns a name of the pairs' side from into that of the side to.
func (l *Layout) replace(name string, from, to int) string {
	swap := func(name string) (string, bool) {
		for _, n := range l.Names {
			if rest, ok := strings.CutPrefix(name, n[from]); ok && (rest == "" || strings.HasSuffix(n[from], ".")) {
				return n[to] + rest, true
			}
		}
		return "", false
	}
	if out, ok := swap(name); ok {
		return out
	}
	parts := strings.Split(name, ".")
	i := slices.IndexFunc(parts, isNumber)
	if i < 0 {
		return name
	}
	number := parts[i]
	parts[i] = "#"
	if out, ok := swap(strings.Join(parts, ".")); ok {
		return strings.Replace(out, "#", number, 1)
	}
	return name
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Listed are weights that tell the names of all their tensors.
type Listed interface {
	Weights
	// Names has the name of every tensor, sorted.
	Names() []string
}

// Renamed are weights under the names that a model has for them.
type Renamed struct {
	Weights
	Layout *Layout
}

// Rename finds out which of the layouts w is in: the first in which w has the
// parameter that the model calls probe.
func Rename(w Weights, probe string, layouts []*Layout) (*Renamed, error) {
	var tried []string
	for _, l := range layouts {
		name := l.Name(probe)
		if _, _, err := w.Stored(name); err == nil {
			return &Renamed{w, l}, nil
		}
		tried = append(tried, fmt.Sprintf("%q (%s)", name, l.Title))
	}
	return nil, fmt.Errorf("the weights are not of this model, or are named in a way that is not known: they have none of %s", strings.Join(tried, ", "))
}

// Aliases returns a function that gives, for a name in the layout that the
// weights are in, the names of the same parameter in all of the layouts: files
// that belong to a model, such as adapters, may use another layout than it.
func (r *Renamed) Aliases(layouts []*Layout) func(name string) []string {
	return func(name string) []string {
		own := r.Layout.Own(name)
		var out []string
		for _, l := range layouts {
			if n := l.Name(own); !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		return out
	}
}

// Stored implements Weights for a name of the model's.
func (r *Renamed) Stored(own string) (tensor.Stored, []int, error) {
	return r.Weights.Stored(r.Layout.Name(own))
}

// scales is what the name of the scales of an int8 tensor ends in.
const scales = ".scale"

// Unused returns the names in w, of those with the layout's prefix, that no
// parameter of p has: a model that leaves some of its weights unused is another
// than it seems to be. A name that ignore accepts does not count.
func (l *Layout) Unused(w Listed, p *Params, ignore func(name string) bool) []string {
	used := map[string]bool{}
	for _, own := range p.Names() {
		used[l.Name(own)] = true
	}
	var out []string
	for _, name := range w.Names() {
		rest, ours := strings.CutPrefix(name, l.Prefix)
		base, isScale := strings.CutSuffix(name, scales)
		if ours && !used[name] && !(isScale && used[base]) && !ignore(rest) {
			out = append(out, name)
		}
	}
	return out
}
