package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies say what stands between this server and those who ask.
type Proxies struct {
	Trusted []netip.Prefix // addresses of proxies whose headers are believed
	Base    string         // what links begin with; "" for the address that was asked
}

// clientOf is the address that a request comes from: the connection's other end
// or, where that is a trusted proxy, what the proxies say. Each proxy adds the
// address before it at the end of X-Forwarded-For, as another item or as another
// line. So the items are read from the end: the first that is no trusted proxy
// is the client, and what stands before it is only what the client claims.
func (p Proxies) clientOf(r *http.Request) netip.Addr {
	peer := addrOf(r.RemoteAddr)
	hops := headerItems(r.Header, "X-Forwarded-For")
	for p.trusts(peer) && len(hops) > 0 {
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

func (p Proxies) trusts(a netip.Addr) bool {
	for _, ours := range p.Trusted {
		if ours.Contains(a) {
			return true
		}
	}
	return false
}

// baseOf is the scheme and host that links begin with. Of several proxies the
// first one saw the customer's own scheme.
func (p Proxies) baseOf(r *http.Request) string {
	if p.Base != "" {
		return p.Base
	}
	scheme := "http"
	switch protos := headerItems(r.Header, "X-Forwarded-Proto"); {
	case r.TLS != nil:
		scheme = "https"
	case p.trusts(addrOf(r.RemoteAddr)) && len(protos) > 0 && strings.EqualFold(protos[0], "https"):
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
