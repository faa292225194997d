// Package blob keeps the bytes of the platform's media: films, images, sounds,
// files that customers sent, latents of jobs that were interrupted. A [Store]
// is a local folder or an S3 bucket; a blob is written whole or not at all,
// and lies under a key that the server made. A [Signer] makes and checks links
// that open one blob until a given second, and a [Janitor] deletes what the
// database no longer knows.
//
// Buckets are reached through MinIO's client of the S3 API. A job counts as
// done only when its video outlives a loss of power, so a file of a local
// folder is written with a temporary file, fsync, rename and fsync of the
// folder, through an [os.Root] that no key can leave.
//
// A store knows sizes, times and bytes. Who owns a blob, what it is called, its
// checksum and when it goes are rows of the database: the package never reads
// one, never decides whether somebody may see a blob, never speaks HTTP to a
// customer, and never invents a key from what a customer sent. It does not
// encrypt; the disk or the bucket does.
package blob
