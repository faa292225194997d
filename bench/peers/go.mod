module github.com/kinora-video/kinora/bench/peers

go 1.26.0

require github.com/kinora-video/kinora v0.0.0

require golang.org/x/sys v0.49.0 // indirect

replace github.com/kinora-video/kinora => ../..
