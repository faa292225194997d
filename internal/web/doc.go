// Package web is the HTTP plumbing that all APIs share: what every request
// passes first (Front), the router that answers where no endpoint does, routes
// and their scopes, bodies and forms that are read within bounds and checked as
// text, whole numbers in JSON, server-sent events, stored bytes, origins of
// other pages, and addresses behind proxies. It knows no API but OpenAI's form
// of errors, which MiniMax's chat and files have too.
package web
