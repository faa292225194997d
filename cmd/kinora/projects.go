package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/store"
)

// ProjectsCmd manages the projects of a server and their money.
type ProjectsCmd struct {
	Create  projectsCreate  `cmd:"" help:"Make a project."`
	List    projectsList    `cmd:"" help:"List the projects."`
	Show    projectsShow    `cmd:"" help:"Show a project, its limits and its money."`
	Update  projectsUpdate  `cmd:"" help:"Change a project's plan and limits."`
	Disable projectsDisable `cmd:"" help:"Refuse a project's keys."`
	Enable  projectsEnable  `cmd:"" help:"Accept a disabled project's keys again."`
	Deposit projectsDeposit `cmd:"" help:"Put money into a project's balance."`
	Ledger  projectsLedger  `cmd:"" help:"Show the postings to a project's accounts."`
	Check   projectsCheck   `cmd:"" help:"Check that the whole ledger balances."`
}

// Help is the end of the command's help.
func (ProjectsCmd) Help() string {
	return `A project is a customer of a server, or a part of your own work: jobs, files, keys
and money belong to it. docs/keys-and-billing.md tells more.

Examples:
  kinora projects create acme --plan payg
  kinora projects deposit acme 25.00 --ref invoice-17
  kinora projects show acme`
}

// limitFlags replace limits that come from the plan; nil keeps the plan's.
type limitFlags struct {
	Postpaid    *bool          `negatable:"" help:"Let the project owe money."`
	CreditLimit *store.Dollars `placeholder:"USD" help:"The most that a post-paid project may owe; 0 is no limit."`
	Weight      *int           `placeholder:"N" help:"Its share of the workers, 1 to 1000: 4 gets four times the turns of 1."`
	MaxRunning  *int           `placeholder:"N" help:"Jobs that run at a time; 0 is no limit."`
	MaxInFlight *int           `placeholder:"N" help:"Jobs that wait or run; 0 is no limit."`
	Sponsored   *bool          `negatable:"" help:"Show the project a sponsor while it waits."`
}

// apply sets the limits that the flags give.
func (l *limitFlags) apply(p *store.Project) error {
	set(&p.Postpaid, l.Postpaid)
	set(&p.Weight, l.Weight)
	set(&p.MaxRunning, l.MaxRunning)
	set(&p.MaxInFlight, l.MaxInFlight)
	set(&p.Sponsored, l.Sponsored)
	if l.CreditLimit != nil {
		p.CreditLimit = int64(*l.CreditLimit)
		if !p.Postpaid && p.CreditLimit != 0 {
			return usagef("--credit-limit: the project is not post-paid: add --postpaid")
		}
	}
	if !p.Postpaid {
		p.CreditLimit = 0
	}
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

type projectsCreate struct {
	databaseFlags
	limitFlags
	Name string `arg:"" help:"Lower-case letters, digits, dots, dashes and underscores, at most 63."`
	Plan string `placeholder:"PLAN" help:"unlimited, free, subscription, payg, or one of the configuration. Default: the configuration's, unlimited."`
	Init bool   `help:"Make the database if there is none yet."`
}

// Run makes a project.
func (c *projectsCreate) Run(ctx context.Context, s streams) error {
	return c.with(ctx, c.Init, func(b *books) error {
		p, err := b.meter.NewProject(c.Name, c.Plan)
		if err != nil {
			return err
		}
		if err := c.apply(&p); err != nil {
			return err
		}
		if p, err = b.CreateProject(ctx, p); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s is there, on the plan %s. Make it a key: kinora keys create --project %s\n", p.Name, p.Plan, p.Name)
		return nil
	})
}

type projectsList struct {
	databaseFlags
}

// Run lists the projects.
func (c *projectsList) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		all, err := b.Projects(ctx)
		if err != nil {
			return err
		}
		wallets := make([]store.Wallet, len(all))
		for i, p := range all {
			if wallets[i], err = b.Wallet(ctx, p.ID); err != nil {
				return err
			}
		}
		return table(s, func(line func(string, ...any)) {
			line("NAME\tPLAN\tBALANCE\tUSED\tHELD\tWEIGHT\tRUNNING\tIN FLIGHT\tCREATED\tDISABLED")
			for i, p := range all {
				line("%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s", p.Name, p.Plan, balance(&wallets[i]), usd(wallets[i].Revenue), usd(wallets[i].Held),
					p.Weight, limit(p.MaxRunning), limit(p.MaxInFlight), day(p.CreatedAt), day(p.DisabledAt))
			}
		})
	})
}

type projectsShow struct {
	databaseFlags
	Name string `arg:"" help:"The project."`
}

// Run shows a project.
func (c *projectsShow) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		p, err := b.ProjectNamed(ctx, c.Name)
		if err != nil {
			return err
		}
		return show(ctx, s, b, p)
	})
}

// show prints a project.
func show(ctx context.Context, s streams, b *books, p store.Project) error {
	a, err := b.meter.Allowance(ctx, p)
	if err != nil {
		return err
	}
	w, err := b.Wallet(ctx, p.ID)
	if err != nil {
		return err
	}
	pays := "before"
	switch {
	case p.Postpaid && p.CreditLimit == 0:
		pays = "afterwards, without a limit"
	case p.Postpaid:
		pays = fmt.Sprintf("afterwards, and may owe %s", usd(p.CreditLimit))
	}
	spend := usd(a.Spendable)
	if a.Unlimited {
		spend = "without a limit"
	}
	return table(s, func(line func(string, ...any)) {
		line("name\t%s", p.Name)
		line("id\t%d", p.ID)
		line("plan\t%s", p.Plan)
		line("pays\t%s", pays)
		if a.HasBalance {
			line("balance\t%s", usd(a.Balance))
		}
		line("held by jobs\t%s", usd(a.Held))
		if a.CreditsTotal > 0 {
			line("credits\t%s of %s left until %s", usd(a.CreditsTotal-a.CreditsUsed), usd(a.CreditsTotal), day(a.PeriodEnds))
		}
		line("may spend\t%s", spend)
		line("charged so far\t%s", usd(w.Revenue))
		line("weight\t%d", p.Weight)
		line("jobs running\t%s", atMost(p.MaxRunning))
		line("jobs in flight\t%s", atMost(p.MaxInFlight))
		line("sponsored\t%v", p.Sponsored)
		line("created\t%s", day(p.CreatedAt))
		if !p.DisabledAt.IsZero() {
			line("disabled\t%s", day(p.DisabledAt))
		}
	})
}

// balance is a balance in a table.
func balance(w *store.Wallet) string {
	if !w.HasBalance() {
		return "-"
	}
	return usd(w.Balance)
}

func atMost(n int) string {
	if n == 0 {
		return "without a limit"
	}
	return fmt.Sprintf("at most %d", n)
}

type projectsUpdate struct {
	databaseFlags
	limitFlags
	Name   string `arg:"" help:"The project."`
	Plan   string `placeholder:"PLAN" help:"Another plan. It replaces all limits, and flags then change single ones."`
	Rename string `placeholder:"NAME" help:"Another name."`
}

// Run changes a project.
func (c *projectsUpdate) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		p, err := b.ProjectNamed(ctx, c.Name)
		if err != nil {
			return err
		}
		p, err = b.meter.UpdateProject(ctx, p.ID, c.Plan, func(p *store.Project) error {
			if c.Rename != "" {
				p.Name = c.Rename
			}
			return c.apply(p)
		})
		if err != nil {
			return err
		}
		return show(ctx, s, b, p)
	})
}

type projectsDisable struct {
	databaseFlags
	Name string `arg:"" help:"The project."`
}

// Run disables a project.
func (c *projectsDisable) Run(ctx context.Context, s streams) error {
	return able(ctx, s, &c.databaseFlags, c.Name, time.Now())
}

type projectsEnable struct {
	databaseFlags
	Name string `arg:"" help:"The project."`
}

// Run enables a project.
func (c *projectsEnable) Run(ctx context.Context, s streams) error {
	return able(ctx, s, &c.databaseFlags, c.Name, time.Time{})
}

// able disables a project from a time on, or enables it if the time is zero.
func able(ctx context.Context, s streams, f *databaseFlags, name string, at time.Time) error {
	return f.with(ctx, false, func(b *books) error {
		p, err := b.ProjectNamed(ctx, name)
		if err != nil {
			return err
		}
		_, err = b.UpdateProject(ctx, p.ID, func(p *store.Project) error {
			if at.IsZero() || p.DisabledAt.IsZero() {
				p.DisabledAt = at
			}
			return nil
		})
		if err != nil {
			return err
		}
		word := "enabled"
		if !at.IsZero() {
			word = "disabled: its keys are refused within seconds; its jobs go on"
		}
		fmt.Fprintf(s.out, "%s is %s\n", name, word)
		return nil
	})
}

type projectsDeposit struct {
	databaseFlags
	Name   string        `arg:"" help:"The project."`
	Amount store.Dollars `arg:"" help:"Dollars, such as 25.00. A negative amount takes money out."`
	Ref    string        `placeholder:"TEXT" help:"What the deposit is for, such as an invoice number. A second deposit with the same text changes nothing."`
	Note   string        `placeholder:"TEXT" help:"A remark."`
}

// Run deposits money.
func (c *projectsDeposit) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		p, err := b.ProjectNamed(ctx, c.Name)
		if err != nil {
			return err
		}
		w, done, err := b.Deposit(ctx, p.ID, int64(c.Amount), c.Ref, c.Note)
		if err != nil {
			return err
		}
		if !done {
			fmt.Fprintf(s.err, "note: there is a deposit %s already: nothing was changed\n", c.Ref)
		}
		if !w.HasBalance() { // everything that was paid in has been paid out again
			fmt.Fprintf(s.out, "%s may spend without a limit, and has no balance\n", p.Name)
			return nil
		}
		fmt.Fprintf(s.out, "the balance of %s is %s\n", p.Name, usd(w.Balance))
		return nil
	})
}

type projectsLedger struct {
	databaseFlags
	Name string `arg:"" help:"The project."`
	Last int    `default:"20" placeholder:"N" help:"How many postings, the newest first, at most 1000."`
}

// Run shows postings.
func (c *projectsLedger) Run(ctx context.Context, s streams) error {
	if c.Last < 1 || c.Last > store.MaxPostings {
		return usagef("--last %d: choose 1 to %d", c.Last, store.MaxPostings)
	}
	return c.with(ctx, false, func(b *books) error {
		p, err := b.ProjectNamed(ctx, c.Name)
		if err != nil {
			return err
		}
		all, err := b.Postings(ctx, p.ID, c.Last)
		if err != nil {
			return err
		}
		return table(s, func(line func(string, ...any)) {
			line("TIME\tKIND\tREF\tMOVED\tNOTE")
			for _, post := range all {
				moved := make([]string, len(post.Entries))
				for i, e := range post.Entries {
					moved[i] = fmt.Sprintf("%s %s → %s", usd(e.Amount), e.From, e.To)
				}
				line("%s\t%s\t%s\t%s\t%s", day(post.At), post.Kind, post.Ref, strings.Join(moved, ", "), post.Note)
			}
		})
	})
}

type projectsCheck struct {
	databaseFlags
}

// Run checks the ledger.
func (c *projectsCheck) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		if err := b.CheckLedger(ctx); err != nil {
			return err
		}
		fmt.Fprintln(s.out, "the ledger balances")
		return nil
	})
}
