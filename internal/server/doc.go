// Package server is a process of the platform: the configuration, and what ties
// the rooms together. It opens the database, the media and the model's door,
// makes the service and the APIs on it, checks keys, and runs workers, webhooks
// and the janitor, as its role says.
//
// The APIs are in internal/api, what they share of HTTP in internal/web, and the
// use cases in internal/service. This package knows the engine through the root
// package alone. It never terminates TLS, never shows a cause of an error that is
// ours, and never lets one project see another.
package server

//go:generate go test -run TestOpenAPIIsCommitted -update .
