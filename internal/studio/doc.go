// Package studio is Kinora in the browser: pages that make, watch and keep videos.
//
// A page is HTML from a template, native ES modules and one stylesheet, all inside
// the program; nothing is built, and no request leaves for a third party. What a
// page shows and does goes through the public native API, which the modules call.
// This package itself only signs browsers in: a session's cookie stands for an API
// key, and Authenticate tells the API who sends it.
//
// It never touches jobs, files or the database, and no key is ever put into a URL
// or into a browser's storage.
package studio
