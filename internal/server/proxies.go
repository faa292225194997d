package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// clientOf is the address that a request comes from: the connection's other end
// or, where that is a trusted proxy, what the proxies say. Each proxy adds the
// address before it at the end of X-Forwarded-For, as another item or as another
// line. So the items are read from the end: the first that is no trusted proxy
// is the client, and what stands before it is only what the client claims.
func (s *Server) clientOf(r *http.Request) netip.Addr {
	peer := addrOf(r.RemoteAddr)
	hops := headerItems(r.Header, "X-Forwarded-For")
	for s.trusts(peer) && len(hops) > 0 {
		before := addrOf(hops[len(hops)-1])
		if !before.IsValid() {
			break
		}
		peer, hops = before, hops[:len(hops)-1]
	}
	return peer
}

// headerItems are the items of a header that is a list, over all its lines.
func headerItems(h http.Header, name string) (items []string) {
	for _, line := range h.Values(name) {
		for item := range strings.SplitSeq(line, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
	}
	return items
}

// addrOf is the address in a text: with or without a port, IPv6 with or without
// brackets. The zero Addr is none. An IPv4 address that is written as IPv6 is
// one of IPv4; a zone is left out, as no range of a configuration has one.
func addrOf(text string) netip.Addr {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	} else if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a.WithZone("").Unmap()
}

// checkProxies refuses ranges that no address is in: all addresses of IPv4 are
// held against the ranges as such, also those that came written as IPv6.
func (c *Config) checkProxies(no func(key, format string, args ...any)) {
	for i, p := range c.TrustedProxies {
		if p.Addr().Is4In6() {
			no(fmt.Sprintf("trusted_proxies[%d]", i), "%s: write a range of IPv4 as such, such as 10.0.0.0/8", p)
		}
	}
}

func (s *Server) trusts(a netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// baseOf is the scheme and host that links begin with. Of several proxies the
// first one saw the customer's own scheme.
func (s *Server) baseOf(r *http.Request) string {
	if s.cfg.PublicURL != "" {
		return s.cfg.base()
	}
	scheme := "http"
	switch protos := headerItems(r.Header, "X-Forwarded-Proto"); {
	case r.TLS != nil:
		scheme = "https"
	case s.trusts(addrOf(r.RemoteAddr)) && len(protos) > 0 && strings.EqualFold(protos[0], "https"):
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
