// Package worker runs jobs. It claims the job whose turn it is, has an engine
// make the media, reports progress, stores the media, and ends the job, in that
// order.
//
// A worker holds its job by a lease, which heartbeats renew. If the process stood
// still or the database was away for too long, the lease is lost. Then the
// computation is stopped, its result is thrown away, and another worker gets the
// job. When its owner cancels the job, the computation stops within two seconds.
// When the process is to end, the job goes back to the queue. In all these cases,
// latents whose sampling was finished are kept, so that no attempt samples twice.
//
// The package never talks to customers and never decides whose turn it is. It
// knows engines only through the interface Engine, which the root package's
// models and the tests' fake implement.
package worker
