module github.com/kinora-video/kinora/internal/kernel/_gen/gemm

go 1.26
