// Package minimax is MiniMax's HTTP APIs: V1, with flat fields and errors in
// base_resp; V2, with content[] and real HTTP status codes; chat, in OpenAI's
// form; and /v1/files, which clients of both share. Requests are decoded by tables
// of fields (fields.go), which docs/api-compatibility.md is held to; what the
// models of a name do is said by internal/service.
package minimax
