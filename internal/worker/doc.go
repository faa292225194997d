// Package worker runs jobs: it claims the one whose turn it is, has an engine
// make what is asked for, says how far it is while it goes, stores the media,
// and ends the job, in that order.
//
// A worker holds its job by a lease, which heartbeats renew. When the lease is
// lost, because the process stood still or the database was away for too long,
// the computation is stopped and what it made is thrown away; another worker
// has the job. When its owner cancels the job, the computation stops within two
// seconds. When the process is to end, the job goes back to the queue. In all of
// these, latents whose sampling was over are kept, so that no attempt samples
// twice.
//
// The package never talks to customers, never decides whose turn it is, and
// knows engines only through the interface Engine, of which the root package's
// models are one implementation and the tests' fake another.
package worker
