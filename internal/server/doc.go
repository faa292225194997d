// Package server is a process of the platform: its configuration and its wiring.
// It opens the database, the media store and the engines, makes the service and
// the APIs on it, checks keys, and runs workers, webhooks and the janitor,
// depending on its role.
//
// The APIs are in internal/api, the HTTP code they share in internal/web, and the
// use cases in internal/service. This package knows engines only through the root
// package. It never terminates TLS, never shows the cause of an internal error,
// and never lets one project see another.
package server

//go:generate go test -run TestOpenAPIIsCommitted -update .
