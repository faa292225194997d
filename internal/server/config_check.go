package server

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// checkProxies refuses ranges that match no address: IPv4 addresses, even those
// written as IPv6, are compared as IPv4 with the ranges.
func (c *Config) checkProxies(no func(key, format string, args ...any)) {
	for i, p := range c.TrustedProxies {
		if p.Addr().Is4In6() {
			no(fmt.Sprintf("trusted_proxies[%d]", i), "%s: write an IPv4 range as IPv4, such as 10.0.0.0/8", p)
		}
	}
}

// standardPorts are the ports that browsers omit from an origin.
var standardPorts = map[string]string{"http": "80", "https": "443"}

// checkOrigins checks that origins have the form in which browsers send them: any
// other form would never match.
func (c *Config) checkOrigins(no func(key, format string, args ...any)) {
	for i, origin := range c.CORSOrigins {
		if origin == "*" {
			continue
		}
		key := "cors_origins[" + strconv.Itoa(i) + "]"
		u, err := url.Parse(origin)
		switch {
		case err != nil, u.Scheme == "", u.Host == "", strings.Contains(u.Host, "*"), origin != u.Scheme+"://"+u.Host:
			no(key, "%q is not an origin: write scheme, host and, if there is one, port, such as https://app.example.com, or \"*\" for all", origin)
		case origin != strings.ToLower(origin):
			no(key, "%q: browsers send an origin in lower case", origin)
		case u.Port() != "" && u.Port() == standardPorts[u.Scheme]:
			no(key, "%q: browsers leave the port %s out of an origin of %s", origin, u.Port(), u.Scheme)
		}
	}
}

// NoChatModel is the chat.model of a server that uses no language model of its own.
const NoChatModel = "none"

// checkChat checks the names of the language model.
func (c *Config) checkChat(no func(key, format string, args ...any)) {
	seen := map[string]bool{}
	for _, m := range c.Models {
		seen[m.Name] = true
	}
	for i, name := range c.Chat.Names {
		key := fmt.Sprintf("chat.names[%d]", i)
		switch {
		case name == "" || len(name) > 100:
			no(key, "a name has 1 to 100 characters")
		case seen[name]:
			no(key, "the name %s is used twice", name)
		}
		seen[name] = true
	}
}
