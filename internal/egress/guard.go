package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// firstOpenPort is the first port that needs no privileges to listen on. Below it
// only 80 and 443 are open: the others are mail, remote shells and the like, to
// which a request might be made to speak.
const firstOpenPort = 1024

// alsoDenied are addresses in public ranges that are not public hosts.
var alsoDenied = []netip.Prefix{
	netip.MustParsePrefix("168.63.129.16/32"), // the host's agent and resolver, on every Azure machine
}

// errRefused is the guard's refusal of a connection. The dialler wraps it;
// classify turns it into an Error.
var errRefused = errors.New("refused")

// guard decides about the address of a socket that is about to connect.
type guard struct {
	deny, allow []netip.Prefix
	public      *ssrf.Guardian
}

// newGuard checks and sorts the operator's ranges.
func newGuard(allow, deny []netip.Prefix) (*guard, error) {
	g := &guard{deny: slices.Clone(alsoDenied), public: ssrf.New(ssrf.WithAnyPort())}
	for _, list := range []struct {
		name string
		from []netip.Prefix
		to   *[]netip.Prefix
	}{{"Allow", allow, &g.allow}, {"Deny", deny, &g.deny}} {
		for _, p := range list.from {
			q, err := plain(p)
			if err != nil {
				return nil, fmt.Errorf("egress: %s: %w", list.name, err)
			}
			*list.to = append(*list.to, q)
		}
	}
	return g, nil
}

// plain converts a range of IPv4-mapped addresses to one of IPv4, the form in
// which addresses are compared here.
func plain(p netip.Prefix) (netip.Prefix, error) {
	switch {
	case !p.IsValid():
		return p, errors.New("a range is invalid: give it as address/bits, such as 10.1.0.0/16 or fd00::/8")
	case !p.Addr().Is4In6():
		return p.Masked(), nil
	case p.Bits() < 96:
		return p, fmt.Errorf("the range %s has IPv4-mapped and other addresses in it: give the IPv4 range as such", p)
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked(), nil
}

// control is for [net.Dialer], which calls it for each address that is tried,
// after the socket is made and before it connects.
func (g *guard) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", errRefused, network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return g.check(to)
}

// check returns errRefused unless to may be connected to.
func (g *guard) check(to netip.AddrPort) error {
	addr := to.Addr().Unmap()
	within := func(p netip.Prefix) bool { return p.Contains(addr) } // false for any address with a zone
	switch {
	case to.Port() == 0:
		return fmt.Errorf("%w: %s has no port", errRefused, to)
	case slices.ContainsFunc(g.deny, within):
		return fmt.Errorf("%w: %s is denied", errRefused, to)
	case slices.ContainsFunc(g.allow, within):
		if ssrf.IPv6NAT64Prefix.Contains(addr) {
			// In an IPv6-only network the operator has to allow the translator's
			// range, but not all private addresses behind it.
			b := addr.As16()
			return g.check(netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), to.Port()))
		}
		return nil
	case to.Port() < firstOpenPort && to.Port() != 80 && to.Port() != 443:
		return fmt.Errorf("%w: %s: port %d", errRefused, to, to.Port())
	}
	if err := g.public.SafeAddr(addr); err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return nil
}

// control is the guard, followed by the tests' hook.
func (s seams) control(g *guard) func(network, address string, c syscall.RawConn) error {
	if s.admitted == nil {
		return g.control
	}
	return func(network, address string, c syscall.RawConn) error {
		if err := g.control(network, address, c); err != nil {
			return err
		}
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return s.admitted(to)
	}
}
