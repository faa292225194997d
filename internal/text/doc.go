// Package text reads text from outside: files that people wrote with any
// editor, the bodies of requests, the answers of other services. All such text
// passes through here, so it is treated alike everywhere: a byte order mark is
// removed, and text that is not UTF-8 is refused with an error that names the
// likely encoding.
//
// The package converts nothing. Only UTF-16 with a mark could be converted
// without guessing, and a wrong guess would go unnoticed.
package text
