// Package service has the use cases of the platform, which every API shares: to
// submit a job, look at it, wait for it, cancel and delete it; files and first
// frames; chat, speech and prompts that a chat model expands; sponsors; and what
// a project may still spend. Whatever is asked for is moderated, priced and
// reserved here, once. models.go, frame.go and camera.go say what the models
// behind the public names can do.
//
// It knows no HTTP: who asks, what links begin with and the id of the request
// are told to it. Errors are *job.Error, which each API puts into its own form;
// those of other types are defects. Whatever belongs to another project is not
// found.
package service
