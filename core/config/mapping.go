// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"

	"camring/ring"

	"github.com/goccy/go-yaml/ast"
)

// key is one key that a map may have, and what setting it does to a T.
type key[T any] struct {
	name string
	set  func(d *decoder, t *T, v value)
}

// fields sets t from the map v: keys are those it may have, later those a later version will know.
// It returns the entries that were there, by key.
func fields[T any](d *decoder, t *T, v value, keys []key[T], later []string) map[string]entry {
	given := map[string]entry{}
	for _, e := range d.entries(v) {
		given[e.key] = e
		if set := lookUp(keys, e.key); set != nil {
			set(d, t, e.value)
			continue
		}
		at := value{at: e.keyAt, path: v.path}
		switch known := names(keys); {
		case slices.Contains(later, e.key):
			at.path = join(v.path, e.key)
			d.fail(at, "not supported by this version")
		default:
			d.fail(at, "unknown key %s%s", quote(e.key), suggest(e.key, known))
		}
	}
	return given
}

func lookUp[T any](keys []key[T], name string) func(*decoder, *T, value) {
	for _, k := range keys {
		if k.name == name {
			return k.set
		}
	}
	return nil
}

func names[T any](keys []key[T]) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.name
	}
	return all
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// entries returns the entries of the map v in their order, merge keys (<<) resolved: what the map
// itself says wins. A map that is empty, or all comments, has none.
func (d *decoder) entries(v value) []entry {
	var all []entry
	seen := map[string]bool{}
	d.collect(v, seen, &all, 0)
	return all
}

func (d *decoder) collect(v value, seen map[string]bool, all *[]entry, depth int) {
	var pairs []*ast.MappingValueNode
	switch n := d.resolve(v.node).(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return
	default:
		d.wrong(v, "a map")
		return
	}
	own := map[string]bool{}
	var merges []ast.Node
	for _, p := range pairs {
		if d.visited++; d.visited > maxExpandedTo || depth > maxDepth {
			d.add(place{file: d.file}, "the aliases in the file stand for more than %d entries", maxExpandedTo)
			return
		}
		if p.Key.IsMergeKey() {
			merges = append(merges, p.Value)
			continue
		}
		keyAt := d.at(p.Key)
		name, ok := keyText(p.Key)
		switch {
		case !ok:
			d.fail(value{at: keyAt, path: v.path}, "want a plain word as key")
			continue
		case own[name]:
			d.fail(value{at: keyAt, path: v.path}, "key %s is there twice", quote(name))
			continue
		}
		own[name] = true
		if seen[name] {
			continue
		}
		seen[name] = true
		at := d.at(p.Value)
		if _, empty := p.Value.(*ast.NullNode); empty {
			at = keyAt // the parser has no place for a value that is not there
		}
		*all = append(*all, entry{
			key: name, keyAt: keyAt,
			value: value{at: at, path: join(v.path, shown(name)), node: p.Value},
		})
	}
	for _, m := range merges {
		sources := []ast.Node{m}
		if list, ok := d.resolve(m).(*ast.SequenceNode); ok {
			sources = list.Values
		}
		for _, s := range sources {
			d.collect(value{at: d.at(s), path: v.path, node: s}, seen, all, depth+1)
		}
	}
}

// shown is a key as part of a path in a message.
func shown(key string) string {
	if ring.ValidName(key) {
		return key
	}
	return quote(key)
}

// keyText returns the text of a scalar key as written.
func keyText(k ast.Node) (string, bool) {
	switch k := k.(type) {
	case *ast.MappingKeyNode:
		return keyText(k.Value)
	case *ast.NullNode:
		return "", false
	}
	text, _, ok := scalarText(k)
	return text, ok
}

// at returns the place of n: for a map that of its first key, for an alias where it is used.
func (d *decoder) at(n ast.Node) place {
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return d.at(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return d.at(m.Key)
	}
	p := n.GetToken().Position
	return place{file: d.file, line: p.Line, column: p.Column}
}

// collectAnchors notes what each alias under n stands for: the last anchor of its name before it.
// An anchor is known only after its own content, so nothing can contain itself.
func (d *decoder) collectAnchors(n ast.Node, known map[string]ast.Node) {
	switch n := n.(type) {
	case *ast.AnchorNode:
		d.collectAnchors(n.Value, known)
		known[n.Name.GetToken().Value] = n.Value
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if target, ok := known[name]; ok {
			d.anchors[n] = target
			return
		}
		d.add(d.at(n), "no anchor &%s before this alias", strings.Trim(quote(name), `"`))
	case *ast.MappingNode:
		for _, p := range n.Values {
			d.collectAnchors(p, known)
		}
	case *ast.MappingValueNode:
		d.collectAnchors(n.Value, known)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			d.collectAnchors(v, known)
		}
	case *ast.TagNode:
		d.collectAnchors(n.Value, known)
	}
}
