// Package conv holds the convolutions of a video model: dense ones through
// matrix products, depthwise ones directly, each with its gradients.
//
// Activations are f32, channels last ([N, T, H, W, C]); stride is one, but for
// Down, which works on pictures with a stride of two; H and W
// are padded with zeros so that their sizes stay ("same", odd kernels); T is
// causal: output frame t sees input frames t-KT+1 to t, and the frames before
// the first are zeros or the caller's past.
//
// Dense convolutions gather small tiles of patches into per-worker scratch and
// multiply them there. The package never builds the patches of a whole tensor,
// keeps only scratch between calls, and gives the same bytes for any number of
// threads.
package conv
