package meter

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// staleAfter is how long a Hold may be open before Sweep refunds it.
const staleAfter = time.Hour

// Kinds of charges that belong to no job.
const (
	kindSpeech = "speech"
	kindChat   = "chat"
)

// Meter quotes prices, and reserves and settles them. It is safe for use by many
// goroutines.
type Meter struct {
	*Prices
	db    *store.DB
	plan  string
	plans map[string]Plan
}

// New makes a Meter on a database.
func New(db *store.DB, c Config) (*Meter, error) {
	if c.Plan == "" {
		c.Plan = "unlimited"
	}
	prices, err := NewPrices(c.Prices)
	if err != nil {
		return nil, fmt.Errorf("billing: %w", err)
	}
	plans, err := plansOf(c)
	if err != nil {
		return nil, fmt.Errorf("billing: %w", err)
	}
	return &Meter{Prices: prices, db: db, plan: c.Plan, plans: plans}, nil
}

// Plans returns all plans.
func (m *Meter) Plans() map[string]Plan { return maps.Clone(m.plans) }

// NewProject returns a new project on a plan, "" being the default plan. The
// caller may change it and gives it to store.DB.CreateProject.
func (m *Meter) NewProject(name, plan string) (store.Project, error) {
	p := store.Project{Name: name}
	if plan == "" {
		plan = m.plan
	}
	return p, m.put(&p, plan)
}

// put applies a plan to a project.
func (m *Meter) put(p *store.Project, plan string) error {
	pl, ok := m.plans[plan]
	if !ok {
		return job.Errorf(job.Invalid, "plan", "there is no plan %.60q: the plans are %s", plan, strings.Join(slices.Sorted(maps.Keys(m.plans)), ", "))
	}
	p.Plan = plan
	pl.apply(p)
	return nil
}

// UpdateProject changes a project: first its plan, if plan is not "", then
// whatever change sets. If the plan changes, the rest of the old plan's credits
// lapses and the new one's are granted with the project's next job.
func (m *Meter) UpdateProject(ctx context.Context, id int64, plan string, change func(*store.Project) error) (p store.Project, err error) {
	err = m.db.Write(ctx, func(tx *store.Tx) error {
		moved := false
		p, err = tx.UpdateProject(ctx, id, func(p *store.Project) error {
			if plan != "" {
				moved = p.Plan != plan
				if err := m.put(p, plan); err != nil {
					return err
				}
			}
			return change(p)
		})
		if err == nil && moved {
			err = tx.EndPeriod(ctx, id)
		}
		return err
	})
	return p, err
}

// Reserve holds the price of a job, in the transaction that accepts it: from the
// plan's credits first, then from the balance. If the money does not suffice, the
// error is a job.Error of code Balance or Quota, and the job is not accepted.
func (m *Meter) Reserve(tx *store.Tx, j *job.Job) error {
	c := store.Charge{
		Job: j.ID, Project: j.Project, Key: j.Key, Kind: string(j.Spec.Kind), Model: j.Spec.Model, API: string(j.API),
		Resolution: resolution(&j.Spec), Price: j.Price,
	}
	switch j.Spec.Kind {
	case job.Video:
		c.Length = time.Duration(math.Ceil(j.Spec.Seconds*1000)) * time.Millisecond
		if j.Spec.Narration != nil {
			c.Units = int64(j.Spec.Narration.Characters)
		}
	case job.Image:
		c.Units = int64(j.Spec.Count)
	}
	return m.reserve(tx, c)
}

// resolution is the resolution of a spec in reports.
func resolution(s *job.Spec) string {
	switch {
	case s.Resolution != "":
		return s.Resolution
	case s.Width > 0 && s.Height > 0:
		return fmt.Sprintf("%dx%d", s.Width, s.Height)
	}
	return ""
}

func (m *Meter) reserve(tx *store.Tx, c store.Charge) error {
	// The transaction has its own context; the store's hooks have none to pass
	// on.
	ctx := context.Background()
	w, err := tx.Wallet(ctx, c.Project)
	if err != nil {
		return err
	}
	plan := m.plans[w.Plan] // a plan that no longer exists grants nothing
	if plan.Credits > 0 || w.PeriodCredits > 0 || w.Credits > 0 {
		anchor := w.Anchor
		if anchor.IsZero() {
			anchor = tx.Now()
		}
		if err := tx.RollOver(ctx, w, int64(plan.Credits), anchor, periodEnd(anchor, tx.Now())); err != nil {
			return err
		}
	}
	amount := c.Price
	if plan.Unbilled {
		amount = 0
	}
	return tx.Reserve(ctx, w, c, amount)
}

// Settle ends the charge of a job, in the transaction that ends the job. A job
// that succeeded is charged, an image job for the images that were not refused.
// Any other job is refunded. It is idempotent.
func (m *Meter) Settle(tx *store.Tx, j *job.Job) error {
	if j.State != job.Succeeded {
		return m.Refund(tx, j)
	}
	price := j.Price
	if n := j.Spec.Count; j.Spec.Kind == job.Image && n > 0 && j.Result != nil {
		price = share(price, int64(n-min(n, max(0, j.Result.Failed))), int64(n))
	}
	return tx.Settle(context.Background(), j.ID, price)
}

// Refund returns the reservation of a job that did not succeed, in the
// transaction that ends the job. It is idempotent.
func (m *Meter) Refund(tx *store.Tx, j *job.Job) error {
	return tx.Refund(context.Background(), j.ID, outcomeOf(j))
}

// outcomeOf is the outcome of an unsuccessful job in reports.
func outcomeOf(j *job.Job) store.Outcome {
	switch {
	case j.State == job.Cancelled:
		return store.OutcomeCancelled
	case j.State == job.Expired:
		return store.OutcomeExpired
	case j.Error != nil && (j.Error.Code == job.PromptUnsafe || j.Error.Code == job.OutputUnsafe || j.Error.Code == job.Invisible):
		return store.OutcomeRefused
	}
	return store.OutcomeFailed
}

// Allowance is what a project may still spend, in micros.
type Allowance struct {
	Balance      int64     `json:"balance"`     // below zero: owed
	HasBalance   bool      `json:"has_balance"` // if not, only Used is meaningful
	Used         int64     `json:"used"`        // charged so far
	Held         int64     `json:"held"`        // reserved by unfinished work
	CreditsTotal int64     `json:"credits_total"`
	CreditsUsed  int64     `json:"credits_used"` // including held ones
	PeriodEnds   time.Time `json:"period_ends,omitzero"`
	// Spendable is the most that the next job may cost; it is meaningless if
	// Unlimited.
	Spendable int64 `json:"spendable"`
	Unlimited bool  `json:"unlimited"` // post-paid without a credit limit, or unbilled
}

// Allowance returns what a project may still spend. It changes nothing, but
// accounts for a period that has begun since the last job.
func (m *Meter) Allowance(ctx context.Context, p store.Project) (Allowance, error) {
	w, err := m.db.Wallet(ctx, p.ID)
	if err != nil {
		return Allowance{}, err
	}
	plan := m.plans[w.Plan]
	if now := m.db.Now(); !now.Before(w.PeriodEnds) {
		w.Credits, w.PeriodCredits, w.PeriodEnds = int64(plan.Credits), int64(plan.Credits), time.Time{}
		if plan.Credits > 0 {
			anchor := w.Anchor
			if anchor.IsZero() {
				anchor = now
			}
			w.PeriodEnds = periodEnd(anchor, now)
		}
	}
	return Allowance{
		Balance: w.Balance, HasBalance: w.HasBalance(), Used: w.Revenue, Held: w.Held, CreditsTotal: w.PeriodCredits, CreditsUsed: w.PeriodCredits - w.Credits, PeriodEnds: w.PeriodEnds,
		Spendable: w.Credits + w.Balance - w.Least, Unlimited: plan.Unbilled || w.Least == -store.NoDebtLimit,
	}, nil
}

// CountImpression counts that a project was shown a sponsor.
func (m *Meter) CountImpression(ctx context.Context, sponsor string, project int64) error {
	return m.db.CountSponsor(ctx, sponsor, project, 1, 0)
}

// CountClick counts that a project followed a sponsor's link.
func (m *Meter) CountClick(ctx context.Context, sponsor string, project int64) error {
	return m.db.CountSponsor(ctx, sponsor, project, 0, 1)
}

// SponsorReport lists sponsors' impressions and clicks by day and project, for
// the days from from up to but not including to; zero times are no bounds.
func (m *Meter) SponsorReport(ctx context.Context, from, to time.Time) ([]store.SponsorCount, error) {
	return m.db.SponsorCounts(ctx, from, to)
}
