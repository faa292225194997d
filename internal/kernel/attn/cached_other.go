//go:build !amd64

package attn

func scoreKeys(scores, q, keys []float32, each, n, stride, d int) {
	scoreKeysGo(scores, n, q, keys, each, n, stride, d)
}

func sumValues(out, weights, values []float32, each, n, stride, d int) {
	clear(out[:each*d])
	sumValuesGo(out, weights, n, values, each, n, stride, d)
}
