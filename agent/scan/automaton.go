package scan

import "slices"

// automaton finds many literals in one pass, whatever their case (Aho and Corasick, 1975, with all transitions worked
// out in advance). Bytes that no literal tells apart share a class, so that the table stays small enough for the
// processor's caches.
type automaton struct {
	class   [256]uint8
	classes int
	// next holds, for each state and class, where the state's row begins in next. Rows from final on belong to states
	// in which a literal ends.
	next  []uint32
	final uint32
	ends  [][]int // by state from final on: the literals that end there
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// node is a state while the automaton is built.
type node struct {
	next map[uint8]int
	fail int
	ends []int
}

func newAutomaton(literals []string) *automaton {
	a := &automaton{classes: 1} // class 0 is for bytes that no literal has
	for _, literal := range literals {
		for i := range len(literal) {
			if b := lower(literal[i]); a.class[b] == 0 {
				a.class[b] = uint8(a.classes)
				a.classes++
			}
		}
	}
	for b := 'A'; b <= 'Z'; b++ {
		a.class[b] = a.class[lower(byte(b))]
	}
	nodes := a.trie(literals)
	order := a.complete(nodes)
	a.renumber(nodes, order)
	return a
}

func (a *automaton) trie(literals []string) []*node {
	nodes := []*node{{next: map[uint8]int{}}}
	for number, literal := range literals {
		at := 0
		for i := range len(literal) {
			class := a.class[literal[i]]
			to, ok := nodes[at].next[class]
			if !ok {
				to = len(nodes)
				nodes[at].next[class] = to
				nodes = append(nodes, &node{next: map[uint8]int{}})
			}
			at = to
		}
		nodes[at].ends = append(nodes[at].ends, number)
	}
	return nodes
}

// complete gives each state a transition for each class, nearest to the start first, and returns that order.
func (a *automaton) complete(nodes []*node) []int {
	order := []int{0}
	for i := 0; i < len(order); i++ {
		at := nodes[order[i]]
		for class := range uint8(a.classes) {
			to, ok := at.next[class]
			switch {
			case !ok && order[i] == 0:
				at.next[class] = 0
			case !ok:
				at.next[class] = nodes[at.fail].next[class]
			default:
				if order[i] != 0 {
					nodes[to].fail = nodes[at.fail].next[class]
				}
				nodes[to].ends = append(nodes[to].ends, nodes[nodes[to].fail].ends...)
				order = append(order, to)
			}
		}
	}
	return order
}

// renumber puts the states in which a literal ends behind all others.
func (a *automaton) renumber(nodes []*node, order []int) {
	slices.SortStableFunc(order, func(x, y int) int { return min(len(nodes[x].ends), 1) - min(len(nodes[y].ends), 1) })
	row := make([]uint32, len(nodes))
	for i, number := range order {
		row[number] = uint32(i * a.classes)
		if len(nodes[number].ends) > 0 {
			if len(a.ends) == 0 {
				a.final = row[number]
			}
			a.ends = append(a.ends, nodes[number].ends)
		}
	}
	a.next = make([]uint32, len(nodes)*a.classes)
	for number, n := range nodes {
		for class, to := range n.next {
			a.next[row[number]+uint32(class)] = row[to]
		}
	}
	if len(a.ends) == 0 {
		a.final = uint32(len(a.next))
	}
}

// run goes through data from a state on, and calls found with each literal that ends, and the position behind it. It
// returns the state at the end.
func (a *automaton) run(state uint32, data []byte, found func(literal, end int)) uint32 {
	next, class, final := a.next, &a.class, a.final
	for i, b := range data {
		state = next[state+uint32(class[b])]
		if state >= final {
			for _, literal := range a.ends[(state-final)/uint32(a.classes)] {
				found(literal, i+1)
			}
		}
	}
	return state
}
