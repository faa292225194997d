//go:build !amd64

package conv

func stripFor() stripFunc         { return stripGo }
func correlateFor() correlateFunc { return correlateGo }

func addRows(dst, x []float32, stride, rows int) { addRowsGo(dst, x, stride, rows) }
