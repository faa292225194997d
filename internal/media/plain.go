package media

import "strings"

// Plain leaves the package's name out of an error's text, for readers who do not
// know of it, such as customers of a server.
func Plain(err error) error { return plainError{err} }

type plainError struct{ error }

// Error is the text without the package's name.
func (e plainError) Error() string { return strings.TrimPrefix(e.error.Error(), "media: ") }

// Unwrap returns the error with it.
func (e plainError) Unwrap() error { return e.error }
