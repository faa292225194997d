// Package native is Kinora's own API: jobs of every API, their events, files,
// webhooks, usage, and for operators projects and keys. Its types are its
// description: openapi.go makes docs/openapi.json of them, and docs the page that
// people read.
package native
