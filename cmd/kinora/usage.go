package main

import (
	"bufio"
	"context"

	billing "github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/store"
)

// UsageCmd reports what was used and what it cost.
type UsageCmd struct {
	databaseFlags
	Project  string `placeholder:"NAME" help:"Only this project. Default: all."`
	From     moment `placeholder:"DAY" help:"Only jobs submitted on this day (UTC) or later; or a time such as 2026-11-25T18:00:00Z."`
	To       moment `placeholder:"DAY" help:"Only jobs submitted before this day."`
	Model    string `placeholder:"NAME" help:"Only this model, by the name in the request."`
	Outcome  string `placeholder:"WORD" enum:",open,succeeded,failed,refused,cancelled,expired" default:"" help:"Only jobs with this outcome: open, succeeded, failed, refused, cancelled or expired."`
	Format   string `placeholder:"FORMAT" enum:"table,csv,json" default:"table" help:"table: sums by model and outcome. csv, json: a line for each job."`
	Sponsors bool   `help:"Report instead what sponsors were shown and clicked, by day and project."`
}

// Help is the end of the command's help.
func (UsageCmd) Help() string {
	return `Examples:
  kinora usage --from 2026-11-01 --to 2026-12-01
  kinora usage --project acme --format csv > acme.csv`
}

// Run writes a report.
func (c *UsageCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		if c.Sponsors {
			return c.sponsors(ctx, s, b)
		}
		f := store.UsageFilter{From: c.From.Time, To: c.To.Time, Model: c.Model, Outcome: store.Outcome(c.Outcome)}
		if c.Project != "" {
			p, err := b.ProjectNamed(ctx, c.Project)
			if err != nil {
				return err
			}
			f.Project = p.ID
		}
		w := bufio.NewWriter(s.out)
		if err := b.meter.Export(ctx, w, billing.Format(c.Format), f); err != nil {
			return err
		}
		return w.Flush()
	})
}

func (c *UsageCmd) sponsors(ctx context.Context, s streams, b *books) error {
	counts, err := b.meter.SponsorReport(ctx, c.From.Time, c.To.Time)
	if err != nil {
		return err
	}
	projects, err := b.Projects(ctx)
	if err != nil {
		return err
	}
	names := map[int64]string{}
	for _, p := range projects {
		names[p.ID] = p.Name
	}
	return table(s, func(line func(string, ...any)) {
		line("DAY\tSPONSOR\tPROJECT\tSHOWN\tCLICKED")
		for _, n := range counts {
			if c.Project == "" || c.Project == names[n.Project] {
				line("%s\t%s\t%s\t%d\t%d", n.Day.Format("2006-01-02"), n.Sponsor, names[n.Project], n.Impressions, n.Clicks)
			}
		}
	})
}
