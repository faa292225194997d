//go:build !amd64

package attn

import "github.com/kinora-video/kinora/internal/kernel/gemm"

// pick returns the kit for a precision.
func pick(gemm.Precision) *kit { return &goKit }
