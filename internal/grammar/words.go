package grammar

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// branch is how a text of a list goes on: with some characters, and then as a node
// says; -1 for its end.
type branch struct {
	text string
	next int
}

// factor makes nodes of a list of texts: a trie in which equal nodes are one, so
// that texts share both how they begin and how they end. Characters stay whole. The
// last node is the root.
func factor(words []string) [][]branch {
	list := slices.Compact(slices.Sorted(slices.Values(words)))
	var nodes [][]branch
	known := map[string]int{}
	var node func(list []string, from int) int
	node = func(list []string, from int) int {
		var all []branch
		for len(list) > 0 {
			if len(list[0]) == from { // the shortest is the first
				all = append(all, branch{"", -1})
				list = list[1:]
				continue
			}
			_, size := utf8.DecodeRuneInString(list[0][from:])
			first, n := list[0][from:from+size], 1
			for n < len(list) && strings.HasPrefix(list[n][from:], first) {
				n++
			}
			same := from + size // what all of them share
			for last := list[n-1]; same < len(list[0]); same += size {
				if _, size = utf8.DecodeRuneInString(list[0][same:]); !strings.HasPrefix(last[same:], list[0][same:same+size]) {
					break
				}
			}
			b := branch{list[0][from:same], -1}
			if n > 1 || len(list[0]) > same {
				b.next = node(list[:n], same)
			}
			all = append(all, b)
			list = list[n:]
		}
		var key string
		for _, b := range all {
			key += fmt.Sprintf("%q %d ", b.text, b.next)
		}
		at, ok := known[key]
		if !ok {
			at = len(nodes)
			nodes = append(nodes, all)
			known[key] = at
		}
		return at
	}
	node(list, 0)
	return nodes
}

// ListText writes a grammar, in the form that Parse reads, of a list of texts, at
// least one. Thousands of them that begin and end alike are short.
func ListText(words []string) string {
	nodes := factor(words)
	name := func(i int) string {
		if i == len(nodes)-1 {
			return "root"
		}
		return fmt.Sprintf("n%d", i)
	}
	var sb strings.Builder
	for i := len(nodes) - 1; i >= 0; i-- {
		sb.WriteString(name(i) + " ::= ")
		for k, b := range nodes[i] {
			if k > 0 {
				sb.WriteString(" | ")
			}
			sb.WriteString(`"` + escapes.Replace(b.text) + `"`)
			if b.next >= 0 {
				sb.WriteString(" " + name(b.next))
			}
		}
		sb.WriteByte('\n')
	}
	return sb.String()
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`)
