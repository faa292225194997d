package server

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// checkProxies refuses ranges that no address is in: all addresses of IPv4 are
// held against the ranges as such, also those that came written as IPv6.
func (c *Config) checkProxies(no func(key, format string, args ...any)) {
	for i, p := range c.TrustedProxies {
		if p.Addr().Is4In6() {
			no(fmt.Sprintf("trusted_proxies[%d]", i), "%s: write a range of IPv4 as such, such as 10.0.0.0/8", p)
		}
	}
}

// standardPorts are those that browsers leave out of an origin.
var standardPorts = map[string]string{"http": "80", "https": "443"}

// checkOrigins holds the origins of other pages to the form in which browsers
// send them: any other form would never match.
func (c *Config) checkOrigins(no func(key, format string, args ...any)) {
	for i, origin := range c.CORSOrigins {
		if origin == "*" {
			continue
		}
		key := "cors_origins[" + strconv.Itoa(i) + "]"
		u, err := url.Parse(origin)
		switch {
		case err != nil, u.Scheme == "", u.Host == "", strings.Contains(u.Host, "*"), origin != u.Scheme+"://"+u.Host:
			no(key, "%q is no origin: write scheme, host and, if there is one, port, such as https://app.example.com, or \"*\" for all", origin)
		case origin != strings.ToLower(origin):
			no(key, "%q: browsers send an origin in lower case", origin)
		case u.Port() != "" && u.Port() == standardPorts[u.Scheme]:
			no(key, "%q: browsers leave the port %s out of an origin of %s", origin, u.Port(), u.Scheme)
		}
	}
}
