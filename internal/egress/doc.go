// Package egress is the platform's only way out onto the network. It fetches
// the images, films and sounds whose URLs customers give, delivers callbacks
// and webhooks, and talks to the upstreams that the operator configured.
//
// A [Client] is for URLs that strangers give. It decides about an address at
// the moment of connecting to it, after names have been resolved: a check of
// the URL's text may be led astray by a name that resolves differently the
// second time, by a redirect, or by two parsers that disagree, while the
// address of the socket cannot. Refused are all addresses that IANA keeps for
// special purposes (loopback, private, shared, link-local with the metadata
// services of clouds, multicast, documentation, reserved), addresses that
// carry an IPv4 address inside (IPv4-mapped, NAT64, 6to4, Teredo), and what
// [Options].Deny names; let through besides public addresses is what
// [Options].Allow names. Ports are 80, 443 and those from 1024 up, where
// services for the world live; an allowed network has all its ports. Every
// redirect is a new connection and passes the same gate.
//
// URLs are held to RFC 3986 before that, so that what is refused is refused
// with a reason: only http and https, no userinfo, no backslash, no zone, no
// trailing dot, no number as a host other than a dotted quad.
//
// An [Upstream] is for one URL of the operator's own configuration. It may be
// private, since the operator named it.
//
// What this package never does: it follows no proxy from the environment,
// keeps no cookies, sends no Referer, forwards no credentials to another host,
// speaks no HTTP/2, opens no unix socket and no file, unpacks no compressed
// body, accepts no certificate that does not verify, and reads no answer
// without a limit on bytes and on time. Its errors tell a customer nothing
// about networks that the customer cannot see.
package egress
