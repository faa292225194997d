// Package metrics counts what a process does and tells it in the text format of
// Prometheus (version 0.0.4): counters, histograms, and what is asked for when it
// is told. It knows nothing of what is counted, and keeps no history.
package metrics

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// Registry has the metrics of a process. Several goroutines may use it and what
// it has made.
type Registry struct {
	mu         sync.Mutex
	collectors []func(ctx context.Context, t *Telling) error
}

// Collect adds a function that is called for each telling. An error of it makes
// the telling fail.
func (r *Registry) Collect(f func(ctx context.Context, t *Telling) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collectors = append(r.collectors, f)
}

// A Label names a value of a metric among others of its name.
type Label struct{ Name, Value string }

// Telling is what Prometheus is told once.
type Telling struct{ families map[string]*family }

// family is a metric: its samples with all labels.
type family struct {
	help, kind string
	samples    []string
}

// Counter tells a number that only grows.
func (t *Telling) Counter(name, help string, v float64, labels ...Label) {
	t.add(name, help, "counter", "", v, labels)
}

// Gauge tells a number that goes up and down.
func (t *Telling) Gauge(name, help string, v float64, labels ...Label) {
	t.add(name, help, "gauge", "", v, labels)
}

// Summary tells the sum and the number of some values, and quantiles of them.
func (t *Telling) Summary(name, help string, quantiles [][2]float64, sum float64, count int64) {
	for _, q := range quantiles {
		t.add(name, help, "summary", "", q[1], []Label{{"quantile", number(q[0])}})
	}
	t.add(name, help, "summary", "_sum", sum, nil)
	t.add(name, help, "summary", "_count", float64(count), nil)
}

func (t *Telling) add(name, help, kind, suffix string, v float64, labels []Label) {
	f := t.families[name]
	if f == nil {
		f = &family{help: help, kind: kind}
		t.families[name] = f
	}
	var b strings.Builder
	b.WriteString(name + suffix)
	before := "{"
	for _, l := range labels {
		b.WriteString(before + l.Name + `="` + escapeLabel.Replace(l.Value) + `"`)
		before = ","
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	f.samples = append(f.samples, b.String()+" "+number(v))
}

var (
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

func number(v float64) string {
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// text is all that was told, by name.
func (t *Telling) text() string {
	var names []string
	for name := range t.families {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		f := t.families[name]
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, escapeHelp.Replace(f.help), name, f.kind)
		for _, s := range f.samples {
			b.WriteString(s + "\n")
		}
	}
	return b.String()
}

// ContentType is that of Text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Text is all of the metrics, or why one of them is not to be had.
func (r *Registry) Text(ctx context.Context) (string, error) {
	r.mu.Lock()
	collectors := slices.Clone(r.collectors)
	r.mu.Unlock()
	t := &Telling{families: map[string]*family{}}
	for _, c := range collectors {
		if err := c(ctx, t); err != nil {
			return "", err
		}
	}
	return t.text(), nil
}

// series are the values of a metric, one for each combination of its labels.
type series[V any] struct {
	name   string
	labels []string
	mu     sync.Mutex
	values map[string]*V
	of     map[string][]Label
}

func newSeries[V any](name string, labels []string) series[V] {
	return series[V]{name: name, labels: labels, values: map[string]*V{}, of: map[string][]Label{}}
}

// at is the value of some labels; the lock is held.
func (s *series[V]) at(values []string) *V {
	if len(values) != len(s.labels) {
		panic(fmt.Sprintf("metrics: %s has the labels %v, not the values %q", s.name, s.labels, values))
	}
	key := strings.Join(values, "\xff") // which is no part of UTF-8
	v := s.values[key]
	if v == nil {
		v = new(V)
		s.values[key] = v
		for i, name := range s.labels {
			s.of[key] = append(s.of[key], Label{name, values[i]})
		}
	}
	return v
}

// each calls f for all values, in the order of their labels.
func (s *series[V]) each(f func(labels []Label, v *V)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		f(s.of[key], s.values[key])
	}
}

// Counter counts events.
type Counter struct{ s series[float64] }

// Counter adds a counter with the names of its labels.
func (r *Registry) Counter(name, help string, labels ...string) *Counter {
	c := &Counter{s: newSeries[float64](name, labels)}
	r.Collect(func(_ context.Context, t *Telling) error {
		c.s.each(func(l []Label, v *float64) { t.Counter(name, help, *v, l...) })
		return nil
	})
	return c
}

// Inc counts an event with these values of the labels.
func (c *Counter) Inc(values ...string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	*c.s.at(values)++
}

// Histogram counts values by their size.
type Histogram struct {
	s      series[histogram]
	bounds []float64
}

type histogram struct {
	counts []uint64 // by bucket, the last beyond all bounds
	sum    float64
}

// Histogram adds a histogram with the upper bounds of its buckets, which ascend,
// and the names of its labels.
func (r *Registry) Histogram(name, help string, bounds []float64, labels ...string) *Histogram {
	h := &Histogram{s: newSeries[histogram](name, labels), bounds: bounds}
	r.Collect(func(_ context.Context, t *Telling) error {
		h.s.each(func(l []Label, v *histogram) {
			var n uint64
			for i, c := range v.counts {
				n += c
				bound := math.Inf(1)
				if i < len(bounds) {
					bound = bounds[i]
				}
				t.add(name, help, "histogram", "_bucket", float64(n), append(slices.Clone(l), Label{"le", number(bound)}))
			}
			t.add(name, help, "histogram", "_sum", v.sum, l)
			t.add(name, help, "histogram", "_count", float64(n), l)
		})
		return nil
	})
	return h
}

// Observe counts a value with these values of the labels.
func (h *Histogram) Observe(v float64, values ...string) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	at := h.s.at(values)
	if at.counts == nil {
		at.counts = make([]uint64, len(h.bounds)+1)
	}
	at.counts[sort.SearchFloat64s(h.bounds, v)]++
	at.sum += v
}

// Exponential returns n bounds from first on, each so many times the one before.
func Exponential(first, factor float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = first
		first *= factor
	}
	return out
}
