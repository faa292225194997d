package server

import ()

// TestMediaPolicy: a browser may show what a link leads to with its own player,
