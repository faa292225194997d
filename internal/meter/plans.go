package meter

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Plan says how projects pay, and which limits new projects on it get. Credits
// and Unbilled are looked up when a job is accepted, so a change of the
// configuration applies to all projects. The other fields are copied into a
// project when it is put on the plan, and may be changed per project.
type Plan struct {
	// Credits are granted each month and lapse at its end; 0 grants none.
	Credits Dollars `yaml:"credits" json:"credits"`
	// Postpaid lets the balance go below zero, down to -Limit, or without a limit
	// if Limit is 0.
	Postpaid bool    `yaml:"postpaid" json:"postpaid"`
	Limit    Dollars `yaml:"limit" json:"limit"`
	// Unbilled meters work at its price but charges nothing.
	Unbilled bool `yaml:"unbilled" json:"unbilled"`

	Weight      int  `yaml:"weight" json:"weight"`               // share of the workers; 0 is 1
	MaxRunning  int  `yaml:"max_running" json:"max_running"`     // 0 is no limit
	MaxInFlight int  `yaml:"max_in_flight" json:"max_in_flight"` // 0 is no limit
	Sponsored   bool `yaml:"sponsored" json:"sponsored"`         // may be shown a sponsor
}

// BuiltInPlans returns the plans that exist without a configuration.
func BuiltInPlans() map[string]Plan {
	return map[string]Plan{
		"unlimited":    {Postpaid: true, Weight: 1},
		"free":         {Credits: 1 * store.Micro, Weight: 1, MaxRunning: 1, MaxInFlight: 3, Sponsored: true},
		"subscription": {Credits: 10 * store.Micro, Weight: 4, MaxInFlight: 30},
		"payg":         {Weight: 4, MaxInFlight: 100},
	}
}

// Config is the billing part of the configuration.
type Config struct {
	// Plan is the plan of new projects; "" is unlimited.
	Plan string `yaml:"plan"`
	// Prices replace built-in rates, by public model name.
	Prices map[string]Rates `yaml:"prices"`
	// Plans are added to the built-in ones, or replace them.
	Plans map[string]Plan `yaml:"plans"`
}

// plansOf returns the plans of a configuration, checked.
func plansOf(c Config) (map[string]Plan, error) {
	plans := BuiltInPlans()
	for name, p := range c.Plans {
		probe := store.Project{Name: name, Plan: name}
		p.apply(&probe)
		switch {
		case p.Credits < 0 || p.Limit < 0:
			return nil, fmt.Errorf("plans: %s: credits and limit are at least 0", name)
		case p.Limit > 0 && !p.Postpaid:
			return nil, fmt.Errorf("plans: %s: limit is for post-paid plans: add postpaid: true", name)
		}
		if err := probe.Check(); err != nil {
			return nil, fmt.Errorf("plans: %s: %w", name, err)
		}
		plans[name] = p
	}
	if _, ok := plans[c.Plan]; !ok {
		return nil, fmt.Errorf("plan: there is no plan %q: the plans are %s", c.Plan, strings.Join(slices.Sorted(maps.Keys(plans)), ", "))
	}
	return plans, nil
}

// apply copies the plan's limits to a project.
func (pl Plan) apply(p *store.Project) {
	p.Postpaid, p.CreditLimit = pl.Postpaid, int64(pl.Limit)
	p.Weight, p.MaxRunning, p.MaxInFlight, p.Sponsored = max(1, pl.Weight), pl.MaxRunning, pl.MaxInFlight, pl.Sponsored
}

// periodEnd is when the plan's month that contains a time ends. Months are
// counted from anchor, at its time of day in UTC. A month that begins on the 31st
// ends on the last day of shorter months.
func periodEnd(anchor, now time.Time) time.Time {
	anchor, now = anchor.UTC(), now.UTC()
	months := (now.Year()-anchor.Year())*12 + int(now.Month()-anchor.Month())
	for n := max(1, months); ; n++ {
		if end := addMonths(anchor, n); end.After(now) {
			return end
		}
	}
}

func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

// Sponsor is shown to projects on a sponsored plan while they wait.
type Sponsor struct {
	ID    string `yaml:"id" json:"id"`
	Line  string `yaml:"line" json:"line"`                       // a sentence
	Image string `yaml:"image,omitempty" json:"image,omitempty"` // its address, or ""
	Link  string `yaml:"link,omitempty" json:"link,omitempty"`   // where a click leads, or ""
}

// Limits of sponsors.
const (
	MaxSponsors    = 100
	MaxSponsorLine = 200 // characters
)

// CheckSponsors refuses sponsors that cannot be shown.
func CheckSponsors(all []Sponsor) error {
	if len(all) > MaxSponsors {
		return fmt.Errorf("sponsors: there are %d, more than %d", len(all), MaxSponsors)
	}
	seen := map[string]bool{}
	for i, s := range all {
		switch n := utf8.RuneCountInString(s.Line); {
		case s.ID == "" || len(s.ID) > store.MaxSponsorID || strings.ContainsFunc(s.ID, notWord):
			return fmt.Errorf("sponsors[%d]: %[3]q is not an id: it has 1 to %[2]d letters, digits, dashes, dots and underscores", i, store.MaxSponsorID, s.ID)
		case seen[s.ID]:
			return fmt.Errorf("sponsors[%d]: the id %s is used twice", i, s.ID)
		case n == 0 || n > MaxSponsorLine || !utf8.ValidString(s.Line) || strings.ContainsFunc(s.Line, func(r rune) bool { return r < ' ' }):
			return fmt.Errorf("sponsors[%d]: line has 1 to %d characters, in one line", i, MaxSponsorLine)
		}
		for _, u := range []string{s.Image, s.Link} {
			if p, err := url.Parse(u); u != "" && (err != nil || p.Host == "" || p.Scheme != "https" && p.Scheme != "http") {
				return fmt.Errorf("sponsors[%d]: %q is no http(s) address", i, u)
			}
		}
		seen[s.ID] = true
	}
	return nil
}

func notWord(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
}

// SponsorOf picks the sponsor of a job: always the same one, and each sponsor for
// an equal share of jobs. ok is false without sponsors, or for a job that is not
// sponsored.
func SponsorOf(all []Sponsor, j *job.Job) (Sponsor, bool) {
	if len(all) == 0 || !j.Sponsor {
		return Sponsor{}, false
	}
	return all[int(int64(j.ID)%int64(len(all)))], true
}
