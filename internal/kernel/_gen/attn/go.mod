module github.com/kinora-video/kinora/internal/kernel/_gen/attn

go 1.26
