package native

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

// Reports says what was used: *meter.Meter and *store.DB have it between them.
type Reports interface {
	// Export writes a report as it reads it.
	Export(ctx context.Context, w io.Writer, format meter.Format, f store.UsageFilter) error
	UsageTotals(ctx context.Context, f store.UsageFilter) ([]store.UsageTotal, error)
}

// account is what a project may still spend.
type account struct {
	Project       string     `json:"project" doc:"Its name."`
	Plan          string     `json:"plan"`
	Postpaid      bool       `json:"postpaid" doc:"It may owe money."`
	BalanceUSD    string     `json:"balance_usd,omitempty" doc:"What was paid in and is not used; below zero, what is owed. Absent where a project may spend without a limit and no deposit was noted: used_usd tells."`
	UsedUSD       string     `json:"used_usd" doc:"What was charged so far."`
	HeldUSD       string     `json:"held_usd" doc:"Set aside for jobs in flight."`
	CreditsUSD    string     `json:"credits_usd" doc:"What the plan grants in this period."`
	CreditsUsed   string     `json:"credits_used_usd" doc:"How much of it is used."`
	PeriodEnds    *time.Time `json:"period_ends,omitempty" doc:"When what is left of the credits lapses."`
	JobsInFlight  int        `json:"jobs_in_flight"`
	MaxJobsFlight int        `json:"max_jobs_in_flight" doc:"0 is no limit."`
	Scopes        []string   `json:"scopes" doc:"What this key may do."`
}

type accountOut struct {
	Body account
}

// UsageRange chooses what a report has.
type UsageRange struct {
	From    time.Time     `query:"from" doc:"Only what was asked for then or later."`
	To      time.Time     `query:"to" doc:"Only what was asked for before."`
	Model   string        `query:"model" maxLength:"100" doc:"Only this model."`
	Outcome store.Outcome `query:"outcome" enum:"open,succeeded,failed,refused,cancelled,expired" doc:"Only what ended so."`
}

func (u *UsageRange) filter(project int64) store.UsageFilter {
	return store.UsageFilter{Project: project, From: u.From, To: u.To, Model: u.Model, Outcome: u.Outcome}
}

type usageIn struct {
	UsageRange
	Format meter.Format `query:"format" enum:"json,csv" default:"json" doc:"A JSON array, or a table with a line of names."`
}

type totalsIn struct{ UsageRange }

// usageTotal sums up charges.
type usageTotal struct {
	Kind       string        `json:"kind"`
	Model      string        `json:"model"`
	Outcome    store.Outcome `json:"outcome"`
	Jobs       int64         `json:"jobs"`
	Seconds    float64       `json:"seconds" doc:"Of video."`
	Units      int64         `json:"units" doc:"Images, characters of speech, or tokens of chat."`
	ChargedUSD string        `json:"charged_usd"`
}

type usageTotals struct {
	Data []usageTotal `json:"data"`
}

type totalsOut struct {
	Body usageTotals
}

func (n *API) addUsage() {
	register(n, operation{
		id: "get-account", method: http.MethodGet, path: "/v1/account", scope: web.ScopeUsage, tag: "usage", summary: "See what the project may still spend",
	}, func(ctx context.Context, _ *struct{}) (*accountOut, error) {
		who := principal(ctx)
		u, err := n.Service.Usage(ctx, who)
		usd := func(micros int64) string { return store.Dollars(micros).String() }
		out := &accountOut{account{
			Project: who.Project.Name, Plan: u.Plan, Postpaid: u.Postpaid, UsedUSD: usd(u.Used), HeldUSD: usd(u.Held), CreditsUSD: usd(u.CreditsTotal),
			CreditsUsed: usd(u.CreditsUsed), PeriodEnds: timeOf(u.PeriodEnds), JobsInFlight: u.JobsInFlight, MaxJobsFlight: u.MaxJobsInFlight, Scopes: who.Key.Scopes,
		}}
		if u.HasBalance {
			out.Body.BalanceUSD = usd(u.Balance)
		}
		return out, err
	})
	export := operation{
		id: "export-usage", method: http.MethodGet, path: "/v1/usage", scope: web.ScopeUsage, tag: "usage", errors: []job.Code{job.Invalid},
		summary: "Export usage, a line for each job", more: "Amounts are dollars, exact to the millionth. Jobs that failed, were refused or cancelled are there and were charged nothing.",
	}.of()
	export.Responses = map[string]*huma.Response{"200": {
		Description: "The report.",
		Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}},
			"text/csv":         {Schema: &huma.Schema{Type: huma.TypeString}},
		},
	}}
	huma.Register(n.huma, export, func(ctx context.Context, in *usageIn) (*huma.StreamResponse, error) {
		f := in.filter(principal(ctx).Project.ID)
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			n.export(w, r, in.Format, f)
		}}, nil
	})
	register(n, operation{
		id: "sum-usage", method: http.MethodGet, path: "/v1/usage/totals", scope: web.ScopeUsage, tag: "usage", errors: []job.Code{job.Invalid},
		summary: "Sum up usage by model and outcome",
	}, func(ctx context.Context, in *totalsIn) (*totalsOut, error) {
		list, err := n.Reports.UsageTotals(ctx, in.filter(principal(ctx).Project.ID))
		out := &totalsOut{usageTotals{Data: []usageTotal{}}}
		for _, t := range list {
			out.Body.Data = append(out.Body.Data, usageTotal{t.Kind, t.Model, t.Outcome, t.Jobs, t.Length.Seconds(), t.Units, store.Dollars(t.Charged).String()})
		}
		return out, err
	})
}

// exportBuffer is how much of a report is held back, so that an early error
// still gets an answer of its own.
const exportBuffer = 64 << 10

// export writes a report. Where it fails in its middle, the connection is cut,
// so that no reader takes half a report for a whole one.
func (n *API) export(w http.ResponseWriter, r *http.Request, format meter.Format, f store.UsageFilter) {
	types := map[meter.Format]string{meter.JSON: "application/json", meter.CSV: "text/csv; charset=utf-8"}
	w.Header().Set("Content-Type", types[format])
	sent := &media.Counter{W: w}
	out := bufio.NewWriterSize(sent, exportBuffer)
	err := n.Reports.Export(r.Context(), out, format, f)
	switch {
	case err != nil && sent.N == 0:
		n.Fail(w, r, err)
		return
	case err == nil:
		err = out.Flush()
	}
	if err != nil {
		_ = web.ReportIn(r.Context(), err) // for the log
		panic(http.ErrAbortHandler)
	}
}
