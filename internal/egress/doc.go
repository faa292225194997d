// Package egress is the platform's only way onto the network. It fetches the
// images, videos and sounds whose URLs customers give, delivers callbacks and
// webhooks, and talks to the upstreams that the operator configured.
//
// A [Client] is for URLs that strangers give. It decides about an address at the
// moment of connecting to it, after names have been resolved. A check of the
// URL's text can be fooled by a name that resolves differently the second time,
// by a redirect, or by two parsers that disagree; the address of the socket
// cannot. It refuses all addresses that IANA reserves for special purposes
// (loopback, private, shared, link-local with the metadata services of clouds,
// multicast, documentation, reserved), addresses that contain an IPv4 address
// (IPv4-mapped, NAT64, 6to4, Teredo), and those in [Options].Deny. It accepts
// public addresses and those in [Options].Allow. Ports are 80, 443 and those from
// 1024 up, where public services listen; an allowed network has all its ports.
// Every redirect is a new connection and is checked in the same way.
//
// Before that, URLs must conform to RFC 3986, so that a refusal has a reason:
// only http and https, no userinfo, no backslash, no zone, no trailing dot, no
// number as a host other than a dotted quad.
//
// An [Upstream] is for one URL of the operator's own configuration. It may be
// private, since the operator named it.
//
// The package uses no proxy from the environment, keeps no cookies, sends no
// Referer, forwards no credentials to another host, speaks no HTTP/2, opens no
// unix socket and no file, unpacks no compressed body, accepts no unverified
// certificate, and reads no answer without a limit on bytes and on time. Its
// errors tell a customer nothing about networks that the customer cannot see.
package egress
