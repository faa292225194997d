//go:build !amd64

package vec

var tables = [4]table{goTable, goTable, goTable, goTable}
