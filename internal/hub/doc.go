// Package hub pulls models from a server that speaks the file API of Hugging Face's
// hub: it lists the files of a repository at a revision, fetches them in ranges over
// several connections, checks them against the digests that the list has, and puts
// them on a shelf (package shelf). It goes on where an interrupted pull ended.
//
// It is the only way in which the program fetches weights, and has an HTTP client of
// its own: that of the platform (package egress) serves customers' requests and
// refuses private addresses, and a hub may well be in one's own network.
//
// Nothing that a server says is trusted: sizes, names, ranges and redirects are
// checked, and bytes get a name only if they have the promised digest. The user's
// token goes to the hub itself and to no host that it redirects to.
package hub
