// Package server is the platform over HTTP: MiniMax's API in both its versions,
// OpenAI's Videos API and our own, on one durable queue, and the configuration
// that says how. Each API is a table of routes (minimax.go, openai.go,
// native.go) that checks what it is given, turns it into a job.Spec and shows
// jobs in its own form; all of them stand on a Backend, whose implementation
// (service.go) moderates, prices, reserves and submits. Server ties that to
// keys, metrics, workers, webhooks and the janitor.
//
// It knows the engine through the root package alone, and SQL, media bytes and
// the network through their rooms. It never terminates TLS, never shows a cause
// of an error that is ours, and never lets one project see another.
package server
