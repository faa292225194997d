package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies describe the proxies between this server and its clients.
type Proxies struct {
	Trusted []netip.Prefix // addresses of proxies whose headers are trusted
	Base    string         // the beginning of links; "" for the address that the request names
}

// clientOf is the address that a request comes from: the connection's other end
// or, if that is a trusted proxy, the address that the proxies report. Each proxy
// appends the address of its client to X-Forwarded-For, as another item or
// another line. So the items are read from the end: the first that is no trusted
// proxy is the client. Items before it are only claims of the client.
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

// headerItems returns the items of a list header, over all its lines.
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

// addrOf parses an address: with or without a port, IPv6 with or without
// brackets. It returns the zero Addr if there is none. An IPv4 address written as
// IPv6 is converted to IPv4. A zone is dropped, as no range of a configuration
// has one.
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
