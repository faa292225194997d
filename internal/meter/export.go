package meter

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Format is the format of a usage report.
type Format string

// The formats.
const (
	Table Format = "table" // sums by model and outcome, for reading
	CSV   Format = "csv"   // a line for each job
	JSON  Format = "json"  // an array with an object for each job
)

// row is a charge as reports show it.
type row struct {
	Job        string  `json:"job"`
	Project    string  `json:"project"`
	Key        string  `json:"key,omitempty"`
	CreatedAt  string  `json:"created_at"`
	FinishedAt string  `json:"finished_at,omitempty"`
	API        string  `json:"api,omitempty"`
	Kind       string  `json:"kind"`
	Model      string  `json:"model"`
	Resolution string  `json:"resolution,omitempty"`
	Seconds    float64 `json:"seconds,omitempty"`
	Units      int64   `json:"units,omitempty"`
	Price      Dollars `json:"price_usd"`
	Outcome    string  `json:"outcome"`
	Charged    Dollars `json:"charged_usd"`
}

var columns = []string{
	"job", "project", "key", "created_at", "finished_at", "api", "kind", "model", "resolution", "seconds", "units",
	"price_usd", "outcome", "charged_usd",
}

func (r *row) cells() []string {
	return []string{
		r.Job, text(r.Project), r.Key, r.CreatedAt, r.FinishedAt, text(r.API), text(r.Kind), text(r.Model), text(r.Resolution),
		strconv.FormatFloat(r.Seconds, 'f', -1, 64), strconv.FormatInt(r.Units, 10), r.Price.String(), r.Outcome, r.Charged.String(),
	}
}

// text makes a cell that a spreadsheet does not run as a formula.
func text(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

// stamp is a time as reports show it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// Export writes a usage report while it reads the charges, so its memory does not
// grow with the report (except Table, which holds sums).
func (m *Meter) Export(ctx context.Context, w io.Writer, format Format, f store.UsageFilter) error {
	if format != Table && format != CSV && format != JSON {
		return job.Errorf(job.Invalid, "format", "there is no format %.20q: the formats are table, csv and json", format)
	}
	projects, err := m.db.Projects(ctx)
	if err != nil {
		return err
	}
	names := map[int64]string{}
	for _, p := range projects {
		names[p.ID] = p.Name
	}
	switch format {
	case CSV:
		return m.exportCSV(ctx, w, f, names)
	case JSON:
		return m.exportJSON(ctx, w, f, names)
	default:
		return m.exportTable(ctx, w, f, names)
	}
}

func rowOf(c *store.Charge, names map[int64]string) *row {
	r := &row{
		Job: c.Job.String(), Project: names[c.Project], CreatedAt: stamp(c.CreatedAt), FinishedAt: stamp(c.FinishedAt),
		API: c.API, Kind: c.Kind, Model: c.Model, Resolution: c.Resolution, Seconds: c.Length.Seconds(), Units: c.Units,
		Price: Dollars(c.Price), Outcome: string(c.Outcome), Charged: Dollars(c.Charged),
	}
	if c.Key != 0 {
		r.Key = strconv.FormatInt(c.Key, 10)
	}
	return r
}

func (m *Meter) exportCSV(ctx context.Context, w io.Writer, f store.UsageFilter, names map[int64]string) error {
	out := csv.NewWriter(w)
	if err := out.Write(columns); err != nil {
		return err
	}
	err := m.db.Usage(ctx, f, func(c store.Charge) error { return out.Write(rowOf(&c, names).cells()) })
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	return err
}

func (m *Meter) exportJSON(ctx context.Context, w io.Writer, f store.UsageFilter, names map[int64]string) error {
	before := "[\n"
	err := m.db.Usage(ctx, f, func(c store.Charge) error {
		line, err := json.Marshal(rowOf(&c, names))
		if err == nil {
			_, err = fmt.Fprintf(w, "%s%s", before, line)
		}
		before = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	end := "\n]\n"
	if before == "[\n" {
		end = "[]\n"
	}
	_, err = io.WriteString(w, end)
	return err
}

func (m *Meter) exportTable(ctx context.Context, w io.Writer, f store.UsageFilter, names map[int64]string) error {
	totals, err := m.db.UsageTotals(ctx, f)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PROJECT\tKIND\tMODEL\tOUTCOME\tJOBS\tSECONDS\tUNITS\tCHARGED")
	var sum store.UsageTotal
	for _, u := range totals {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%v\t%d\t$%v\n", names[u.Project], u.Kind, u.Model, u.Outcome, u.Jobs, u.Length.Seconds(), u.Units, Dollars(u.Charged))
		sum.Jobs += u.Jobs
		sum.Length += u.Length
		sum.Units += u.Units
		sum.Charged += u.Charged
	}
	fmt.Fprintf(t, "total\t\t\t\t%d\t%v\t%d\t$%v\n", sum.Jobs, sum.Length.Seconds(), sum.Units, Dollars(sum.Charged))
	return t.Flush()
}
