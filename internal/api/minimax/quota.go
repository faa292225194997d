package minimax

import (
	"fmt"
	"net/http"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/service"
)

const (
	microsPerCent = 10_000
	periodDays    = 30 // of a plan whose period's end is known
	unlimited     = 3  // the status of a quota that has no bound
	limited       = 1
)

// remainsAnswer is the answer to GET /v1/token_plan/remains: what the plan has
// left, as the official CLI draws it.
type remainsAnswer struct {
	Models []modelRemains `json:"model_remains"`
	// Beyond MiniMax's form: in dollars.
	Plan    string   `json:"plan"`
	Balance string   `json:"balance,omitempty"` // not of one without a limit
	Used    string   `json:"used"`              // charged so far
	Held    string   `json:"held"`              // by jobs in flight
	Base    baseResp `json:"base_resp"`
}

// modelRemains is one quota, over the plan's period. There is no weekly one, so
// that is without bound.
type modelRemains struct {
	Name    string `json:"model_name"`
	Start   int64  `json:"start_time"` // Unix milliseconds
	End     int64  `json:"end_time"`
	Remains int64  `json:"remains_time"` // milliseconds until End

	Total   int64 `json:"current_interval_total_count"`
	Used    int64 `json:"current_interval_usage_count"`
	Percent int64 `json:"current_interval_remaining_percent"`
	Status  int   `json:"current_interval_status"`

	WeekTotal   int64 `json:"current_weekly_total_count"`
	WeekUsed    int64 `json:"current_weekly_usage_count"`
	WeekPercent int64 `json:"current_weekly_remaining_percent"`
	WeekStatus  int   `json:"current_weekly_status"`
	WeekStart   int64 `json:"weekly_start_time"`
	WeekEnd     int64 `json:"weekly_end_time"`
	WeekRemains int64 `json:"weekly_remains_time"`
}

func (a *V1) remains(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.answer(w, r, func() (any, error) {
		u, err := a.service.Usage(r.Context(), who)
		if err != nil {
			return nil, err
		}
		return remainsOf(u, time.Now()), nil
	})
}

func remainsOf(u service.Allowance, now time.Time) remainsAnswer {
	out := remainsAnswer{Plan: u.Plan, Used: dollars(u.Used), Held: dollars(u.Held), Base: success}
	if u.HasBalance {
		out.Balance = dollars(u.Balance)
	}
	quota := func(name string, total, used int64, bounded bool) {
		m := modelRemains{Name: name, Start: now.UnixMilli(), End: now.UnixMilli(), Percent: 100, WeekPercent: 100, Status: unlimited, WeekStatus: unlimited}
		if u.PeriodEnds.After(now) {
			m.Start, m.End = u.PeriodEnds.AddDate(0, 0, -periodDays).UnixMilli(), u.PeriodEnds.UnixMilli()
			m.Remains = m.End - now.UnixMilli()
		}
		if bounded {
			m.Total, m.Used, m.Status = max(0, total), min(max(0, used), max(0, total)), limited
			m.Percent = 0
			if m.Total > 0 {
				m.Percent = 100 * (m.Total - m.Used) / m.Total
			}
		}
		m.WeekStart, m.WeekEnd, m.WeekRemains = m.Start, m.End, m.Remains
		out.Models = append(out.Models, m)
	}
	switch {
	case u.CreditsTotal > 0:
		quota(u.Plan+" plan (US cents)", u.CreditsTotal/microsPerCent, u.CreditsUsed/microsPerCent, true)
	case u.Postpaid:
		quota(u.Plan+" plan", 0, 0, false)
	default:
		quota("balance (US cents)", (u.Balance+u.Held)/microsPerCent, u.Held/microsPerCent, true)
	}
	quota("jobs in flight", int64(u.MaxJobsInFlight), int64(u.JobsInFlight), u.MaxJobsInFlight > 0)
	return out
}

// dollars writes an amount with all its digits: "-0.270000".
func dollars(micros int64) string {
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	return fmt.Sprintf("%s%d.%06d", sign, micros/1_000_000, micros%1_000_000)
}
