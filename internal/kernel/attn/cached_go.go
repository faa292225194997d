package attn

func scoreKeys(scores, q, keys []float32, each, n, stride, d int) {
	scoreKeysGo(scores, q, keys, each, n, stride, d)
}

func sumValues(out, weights, values []float32, each, n, stride, d int) {
	sumValuesGo(out, weights, values, each, n, stride, d)
}
