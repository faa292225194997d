package native

import (
	"context"
	"net/http"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
	"github.com/kinora-video/kinora/internal/webhook"
)

// Hooks keeps webhooks and the log of their deliveries; *store.DB has all of it
// but CheckURL. Whatever belongs to another project is not found.
type Hooks interface {
	AddEndpoint(ctx context.Context, e store.Endpoint) error
	Endpoint(ctx context.Context, project, id int64) (store.Endpoint, error)
	Endpoints(ctx context.Context, project int64) ([]store.Endpoint, error)
	ChangeEndpoint(ctx context.Context, project, id int64, change func(*store.Endpoint) error) (store.Endpoint, error)
	DeleteEndpoint(ctx context.Context, project, id int64) error
	Delivery(ctx context.Context, project, id int64) (store.Delivery, error)
	Deliveries(ctx context.Context, f store.DeliveryFilter) ([]store.Delivery, error)
	Replay(ctx context.Context, project, id int64) error
	// CheckURL says what is wrong with the form of a URL that is to be posted to.
	CheckURL(rawURL string) error
}

// Prefixes of ids.
const (
	hookPrefix     = "hook_"
	deliveryPrefix = "delivery_"
)

// Hook is a webhook.
type Hook struct {
	ID          string    `json:"id" example:"hook_4503599627370498"`
	URL         string    `json:"url"`
	Description string    `json:"description,omitempty"`
	Events      []string  `json:"events"`
	Disabled    string    `json:"disabled,omitempty" doc:"Why it is not called, such as that it answered 410. Change it to have it called again."`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	Secret      string    `json:"secret,omitempty" doc:"What its events are signed with, as Standard Webhooks has it. Shown when it is made or rotated, and never again."`
	// PreviousUntil is there while two secrets sign.
	PreviousUntil *time.Time `json:"previous_secret_until,omitempty" doc:"Until then the secret before this one signs too."`
}

func hookOf(e store.Endpoint) Hook {
	out := Hook{
		ID: hookPrefix + job.ID(e.ID).String(), URL: e.URL, Description: e.Description, Events: e.Events, Disabled: e.Disabled,
		CreatedAt: e.CreatedAt.UTC(), UpdatedAt: e.UpdatedAt.UTC(),
	}
	if e.PreviousUntil.After(time.Now()) {
		out.PreviousUntil = timeOf(e.PreviousUntil)
	}
	return out
}

// Delivery is an entry of the log of deliveries.
type Delivery struct {
	ID         string              `json:"id" example:"delivery_4503599627370499"`
	Webhook    string              `json:"webhook,omitempty" doc:"The webhook it is for; none for a job's own callback."`
	URL        string              `json:"url"`
	Form       store.Form          `json:"form" enum:"standard,minimax" doc:"How it is written."`
	Event      string              `json:"event"`
	EventID    string              `json:"event_id" doc:"The header webhook-id: the same for each attempt, and for a replay."`
	Job        string              `json:"job"`
	State      store.DeliveryState `json:"state" enum:"pending,delivered,failed"`
	Attempts   int                 `json:"attempts"`
	NextAt     *time.Time          `json:"next_at,omitempty" doc:"When it is tried again, while it is pending."`
	LastStatus int                 `json:"last_status,omitempty" doc:"The HTTP status of the last answer; none where there was none."`
	LastError  string              `json:"last_error,omitempty"`
	CreatedAt  time.Time           `json:"created_at"`
	FinishedAt *time.Time          `json:"finished_at,omitempty"`
}

func deliveryOf(d store.Delivery) Delivery {
	out := Delivery{
		ID: deliveryPrefix + job.ID(d.ID).String(), URL: d.URL, Form: d.Form, Event: d.Event, EventID: d.EventID, Job: jobName(d.Job), State: d.State,
		Attempts: d.Attempts, LastStatus: d.LastStatus, LastError: d.LastError, CreatedAt: d.CreatedAt.UTC(), FinishedAt: timeOf(d.FinishedAt),
	}
	if d.Endpoint != 0 {
		out.Webhook = hookPrefix + job.ID(d.Endpoint).String()
	}
	if d.State == store.DeliveryPending {
		out.NextAt = timeOf(d.NextAt)
	}
	return out
}

// HookPath is the part of a path that names a webhook.
type HookPath struct {
	ID string `path:"id" doc:"The webhook's id." example:"hook_4503599627370498"`
}

type hookOut struct {
	Body Hook
}

type newHook struct {
	URL         string   `json:"url" maxLength:"2048" doc:"Where events are posted. It must not be private." example:"https://example.com/kinora"`
	Description string   `json:"description,omitempty" maxLength:"200"`
	Events      []string `json:"events" minItems:"1" doc:"Which events: job.queued, job.running, job.succeeded, job.failed, job.cancelled, job.expired, and OpenAI's video.completed and video.failed."`
}

type newHookIn struct {
	Body newHook
}

type changedHook struct {
	URL         *string   `json:"url,omitempty" maxLength:"2048"`
	Description *string   `json:"description,omitempty" maxLength:"200"`
	Events      *[]string `json:"events,omitempty" minItems:"1"`
	Enabled     *bool     `json:"enabled,omitempty" doc:"Whether it is called."`
}

type changeHookIn struct {
	HookPath
	Body changedHook
}

type hookList struct {
	Data []Hook `json:"data"`
}

type hooksOut struct {
	Body hookList
}

type deliveriesIn struct {
	HookPath
	State  store.DeliveryState `query:"state" enum:"pending,delivered,failed" doc:"Only deliveries in this state."`
	Job    string              `query:"job" doc:"Only deliveries about this job."`
	Before time.Time           `query:"before" doc:"Only deliveries that were made before this time: created_at of the last one of the page before."`
	Limit  int                 `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type deliveryList struct {
	Data    []Delivery `json:"data"`
	HasMore bool       `json:"has_more"`
}

type deliveriesOut struct {
	Body deliveryList
}

// DeliveryPath is the part of a path that names a delivery.
type DeliveryPath struct {
	ID string `path:"id" doc:"The delivery's id." example:"delivery_4503599627370499"`
}

type deliveryOut struct {
	Body Delivery
}

func (n *API) addHooks() {
	op := func(id, method, path, summary, more string, status int, errs ...job.Code) operation {
		return operation{id: id, method: method, path: path, scope: web.ScopeJobsWrite, tag: "webhooks", summary: summary, more: more, status: status, errors: errs}
	}
	register(n, op("create-webhook", http.MethodPost, "/v1/webhooks", "Have events posted to a URL",
		"Events are signed as Standard Webhooks has it, and tried again for three days until the URL answers 2xx. The answer shows the secret, once.",
		http.StatusCreated, job.Invalid, job.TooMany), n.newHook)
	register(n, op("list-webhooks", http.MethodGet, "/v1/webhooks", "List webhooks", "", 0), func(ctx context.Context, _ *struct{}) (*hooksOut, error) {
		list, err := n.Hooks.Endpoints(ctx, principal(ctx).Project.ID)
		out := &hooksOut{hookList{Data: []Hook{}}}
		for _, e := range list {
			out.Body.Data = append(out.Body.Data, hookOf(e))
		}
		return out, err
	})
	register(n, op("get-webhook", http.MethodGet, "/v1/webhooks/{id}", "Look at a webhook", "", 0, job.NotFound), func(ctx context.Context, in *HookPath) (*hookOut, error) {
		id, err := parseNumber(in.ID, hookPrefix, "webhook")
		if err != nil {
			return nil, err
		}
		e, err := n.Hooks.Endpoint(ctx, principal(ctx).Project.ID, id)
		return &hookOut{hookOf(e)}, err
	})
	register(n, op("change-webhook", http.MethodPatch, "/v1/webhooks/{id}", "Change a webhook", "", 0, job.Invalid, job.NotFound), n.changeHook)
	register(n, op("rotate-webhook-secret", http.MethodPost, "/v1/webhooks/{id}/rotate", "Give a webhook another secret",
		"For a day the old one signs too, so that the receiver can change over. The answer shows the new one, once.", 0, job.NotFound), n.rotateHook)
	register(n, op("delete-webhook", http.MethodDelete, "/v1/webhooks/{id}", "Remove a webhook", "What is on its way to it fails.",
		http.StatusNoContent, job.NotFound), func(ctx context.Context, in *HookPath) (*struct{}, error) {
		id, err := parseNumber(in.ID, hookPrefix, "webhook")
		if err != nil {
			return nil, err
		}
		return nil, n.Hooks.DeleteEndpoint(ctx, principal(ctx).Project.ID, id)
	})
	register(n, op("list-deliveries", http.MethodGet, "/v1/webhooks/{id}/deliveries", "Read the log of a webhook's deliveries", "Newest first.", 0, job.Invalid, job.NotFound), n.deliveries)
	register(n, op("replay-delivery", http.MethodPost, "/v1/webhooks/deliveries/{id}/replay", "Send a finished delivery again",
		"With the event id that it had, so that a receiver can tell.", 0, job.NotFound, job.Conflict), n.replay)
}

// stored is a time as the database keeps it, so that it is shown the same when it
// is made and later.
func stored(t time.Time) time.Time { return t.Truncate(time.Millisecond) }

func (n *API) newHook(ctx context.Context, in *newHookIn) (*hookOut, error) {
	now := stored(time.Now())
	e := store.Endpoint{
		ID: store.NewID(), Project: principal(ctx).Project.ID, URL: in.Body.URL, Description: in.Body.Description, Events: in.Body.Events,
		Secret: webhook.NewSecret(), CreatedAt: now, UpdatedAt: now,
	}
	if err := webhook.Check(&e, n.Hooks.CheckURL); err != nil {
		return nil, err
	}
	if err := n.Hooks.AddEndpoint(ctx, e); err != nil {
		return nil, err
	}
	out := &hookOut{hookOf(e)}
	out.Body.Secret = e.Secret
	return out, nil
}

// disabledByOwner is why a webhook is not called that was switched off.
const disabledByOwner = "switched off"

func (n *API) changeHook(ctx context.Context, in *changeHookIn) (*hookOut, error) {
	id, err := parseNumber(in.ID, hookPrefix, "webhook")
	if err != nil {
		return nil, err
	}
	e, err := n.Hooks.ChangeEndpoint(ctx, principal(ctx).Project.ID, id, func(e *store.Endpoint) error {
		if in.Body.URL != nil {
			e.URL, e.Disabled = *in.Body.URL, ""
		}
		if in.Body.Description != nil {
			e.Description = *in.Body.Description
		}
		if in.Body.Events != nil {
			e.Events = *in.Body.Events
		}
		if on := in.Body.Enabled; on != nil {
			e.Disabled = ""
			if !*on {
				e.Disabled = disabledByOwner
			}
		}
		return webhook.Check(e, n.Hooks.CheckURL)
	})
	return &hookOut{hookOf(e)}, err
}

func (n *API) rotateHook(ctx context.Context, in *HookPath) (*hookOut, error) {
	id, err := parseNumber(in.ID, hookPrefix, "webhook")
	if err != nil {
		return nil, err
	}
	e, err := n.Hooks.ChangeEndpoint(ctx, principal(ctx).Project.ID, id, func(e *store.Endpoint) error {
		webhook.Rotate(e, stored(time.Now()))
		return nil
	})
	out := &hookOut{hookOf(e)}
	out.Body.Secret = e.Secret
	return out, err
}

func (n *API) deliveries(ctx context.Context, in *deliveriesIn) (*deliveriesOut, error) {
	project := principal(ctx).Project.ID
	id, err := parseNumber(in.ID, hookPrefix, "webhook")
	if err != nil {
		return nil, err
	}
	if _, err := n.Hooks.Endpoint(ctx, project, id); err != nil {
		return nil, err
	}
	f := store.DeliveryFilter{Project: project, Endpoint: id, State: in.State, Before: in.Before, Limit: in.Limit + 1}
	if in.Job != "" {
		of, err := parseNumber(in.Job, jobPrefix, "job")
		if err != nil {
			return nil, job.Errorf(job.Invalid, "job", "job: there is no job %.40q", in.Job)
		}
		f.Job = job.ID(of)
	}
	list, err := n.Hooks.Deliveries(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &deliveriesOut{deliveryList{Data: []Delivery{}, HasMore: len(list) > in.Limit}}
	for _, d := range list[:min(in.Limit, len(list))] {
		out.Body.Data = append(out.Body.Data, deliveryOf(d))
	}
	return out, nil
}

func (n *API) replay(ctx context.Context, in *DeliveryPath) (*deliveryOut, error) {
	project := principal(ctx).Project.ID
	id, err := parseNumber(in.ID, deliveryPrefix, "delivery")
	if err != nil {
		return nil, err
	}
	d, err := n.Hooks.Delivery(ctx, project, id)
	if err != nil {
		return nil, err
	}
	if d.State == store.DeliveryPending {
		return nil, job.Errorf(job.Conflict, "", "the delivery %s is on its way already", in.ID)
	}
	if err := n.Hooks.Replay(ctx, project, id); err != nil {
		return nil, err
	}
	if d, err = n.Hooks.Delivery(ctx, project, id); err != nil {
		return nil, err
	}
	return &deliveryOut{deliveryOf(d)}, nil
}
