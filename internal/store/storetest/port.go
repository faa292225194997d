package storetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
)

// Ports that this package hands out. Systems take the ports of outgoing
// connections, and those of listeners that ask for any, from the range above.
const (
	firstPort = 20000
	ports     = 12000
)

var portsGiven atomic.Int32

// Port returns a port of the loopback interface on which nobody listens. It lies
// where no other connection of the machine gets a port by chance, and is given to
// one caller of this process alone, so it stays free until the caller uses it.
func Port(ctx context.Context) (int, error) {
	// Packages are tested side by side, each in a process of its own.
	start := os.Getpid() * 97
	for range ports {
		port := firstPort + (start+int(portsGiven.Add(1)))%ports
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return 0, fmt.Errorf("no port of 127.0.0.1 from %d to %d is free", firstPort, firstPort+ports-1)
}
