// Package blob stores the bytes of the platform's media: videos, images, sounds,
// files that customers sent, and latents of interrupted jobs. A [Store] is a
// local folder or an S3 bucket. A blob is written whole or not at all, under a
// key that the server made. A [Signer] makes and checks links that open one blob
// until a given second. A [Janitor] deletes blobs that no database row refers to.
//
// Buckets are accessed with MinIO's client of the S3 API. A job counts as done
// only when its video survives a loss of power. So a file of a local folder is
// written with a temporary file, fsync, rename and fsync of the folder, through
// an [os.Root] that no key can leave.
//
// A store knows sizes, times and bytes. The database's rows say who owns a blob,
// its name, its checksum and when it expires. The package never reads one, never
// decides whether somebody may see a blob, never speaks HTTP to a customer, and
// never invents a key from a customer's input. It does not encrypt; the disk or
// the bucket does.
package blob
