// Package web is the HTTP plumbing that all APIs share: the front that every
// request passes first (Front), the router with its answers for unknown paths,
// routes and their scopes, bounded and checked bodies and forms, whole numbers in
// JSON, server-sent events, stored bytes, CORS, and addresses behind proxies. It
// knows no API except OpenAI's error format, which MiniMax's chat and files use
// too.
package web
