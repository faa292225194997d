module github.com/kinora-video/kinora/internal/kernel/_gen/vec

go 1.26
