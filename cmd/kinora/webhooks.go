package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kinora-video/kinora/internal/store"
)

// WebhooksCmd shows the webhooks of a server and sends deliveries again.
type WebhooksCmd struct {
	List       webhooksList       `cmd:"" help:"List a project's webhooks, without their secrets."`
	Deliveries webhooksDeliveries `cmd:"" help:"Show deliveries, the newest first."`
	Replay     webhooksReplay     `cmd:"" help:"Send a finished delivery again."`
}

// Help is the end of the command's help.
func (WebhooksCmd) Help() string {
	return `Customers make webhooks themselves, at /v1/webhooks; docs/webhooks.md tells how.

Examples:
  kinora webhooks list --project acme
  kinora webhooks deliveries --project acme --state failed
  kinora webhooks replay 1234567890123456`
}

type webhooksList struct {
	databaseFlags
	Project string `default:"default" placeholder:"NAME" help:"The project."`
}

// Run lists endpoints.
func (c *webhooksList) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		p, err := b.ProjectNamed(ctx, c.Project)
		if err != nil {
			return err
		}
		all, err := b.Endpoints(ctx, p.ID)
		if err != nil {
			return err
		}
		return table(s, func(line func(string, ...any)) {
			line("ID\tURL\tEVENTS\tCREATED\tOFF\tDESCRIPTION")
			for _, e := range all {
				line("%d\t%s\t%s\t%s\t%s\t%s", e.ID, e.URL, strings.Join(e.Events, ","), day(e.CreatedAt), dash(e.Disabled), dash(e.Description))
			}
		})
	})
}

// maxDeliveries bounds how many deliveries are shown.
const maxDeliveries = 1000

type webhooksDeliveries struct {
	databaseFlags
	Project  string `default:"default" placeholder:"NAME" help:"The project."`
	Endpoint string `placeholder:"ID" help:"Only to this webhook, by the ID that kinora webhooks list shows."`
	State    string `placeholder:"WORD" enum:",pending,delivered,failed" default:"" help:"Only pending, delivered or failed ones."`
	Limit    int    `default:"20" placeholder:"N" help:"How many, at most 1000."`
}

// Run lists deliveries.
func (c *webhooksDeliveries) Run(ctx context.Context, s streams) error {
	if c.Limit < 1 || c.Limit > maxDeliveries {
		return usagef("--limit %d: choose 1 to %d", c.Limit, maxDeliveries)
	}
	f := store.DeliveryFilter{State: store.DeliveryState(c.State), Limit: c.Limit}
	if c.Endpoint != "" {
		id, err := number("--endpoint", c.Endpoint)
		if err != nil {
			return err
		}
		f.Endpoint = id
	}
	return c.with(ctx, false, func(b *books) error {
		p, err := b.ProjectNamed(ctx, c.Project)
		if err != nil {
			return err
		}
		f.Project = p.ID
		all, err := b.Deliveries(ctx, f)
		if err != nil {
			return err
		}
		return table(s, func(line func(string, ...any)) {
			line("ID\tTIME\tEVENT\tJOB\tSTATE\tATTEMPTS\tSTATUS\tURL\tLAST ERROR")
			for _, d := range all {
				line("%d\t%s\t%s\t%v\t%s\t%d\t%s\t%s\t%s", d.ID, day(d.CreatedAt), d.Event, d.Job, d.State, d.Attempts, limit(d.LastStatus), d.URL, dash(d.LastError))
			}
		})
	})
}

type webhooksReplay struct {
	databaseFlags
	ID string `arg:"" name:"id" help:"The delivery's ID, as kinora webhooks deliveries shows it."`
}

// Run puts a delivery into the queue again.
func (c *webhooksReplay) Run(ctx context.Context, s streams) error {
	id, err := number("id", c.ID)
	if err != nil {
		return err
	}
	return c.with(ctx, false, func(b *books) error {
		d, err := b.Delivery(ctx, 0, id)
		if err != nil {
			return err
		}
		if d.State == store.DeliveryPending {
			return fmt.Errorf("delivery %d is on its way: the next attempt is at %s UTC", d.ID, day(d.NextAt))
		}
		if err := b.Replay(ctx, d.Project, d.ID); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s (%s) goes to %s once more, as soon as a server runs\n", d.Event, d.EventID, d.URL)
		return nil
	})
}

// number reads the ID of a webhook or a delivery.
func number(what, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, usagef("%s: %.20q is no ID: they have 16 digits", what, text)
	}
	return id, nil
}

// dash returns a text for a table: a dash if it is empty.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f { // a receiver's text must not control the terminal
			return ' '
		}
		return r
	}, s)
}
