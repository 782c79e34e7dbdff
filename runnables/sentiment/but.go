package sentiment

import (
	"container/heap"
	"slices"
)

// weighBut halves the valences before the first "but" and adds half to those
// after it.
//
// vaderSentiment does that by going through the list and looking for each value
// with list.index, which finds the first place that has an equal value: where an
// earlier valence was made equal to a later one, it is that one that changes
// again. This is no accident to be repaired here: published scores have it. The
// places of every value are kept so that it takes n log n steps and not n².
func weighBut(tokens []token, valences []float64) {
	but := slices.IndexFunc(tokens, func(t token) bool { return t.text == "but" })
	if but < 0 {
		return
	}
	places := map[float64]*ints{}
	add := func(v float64, place int) *ints {
		if places[v] == nil {
			places[v] = &ints{}
		}
		heap.Push(places[v], place)
		return places[v]
	}
	for i, v := range valences {
		if v == 0 {
			continue // stays 0 whatever it is multiplied with
		}
		first := heap.Pop(add(v, i)).(int) //nolint:forcetypeassert // ints holds int
		if first < but {
			valences[first] = float64(v * 0.5)
		} else {
			valences[first] = float64(v * 1.5)
		}
		add(valences[first], first)
	}
}

// ints is a heap with the smallest on top.
type ints []int

func (h ints) Len() int           { return len(h) }
func (h ints) Less(i, j int) bool { return h[i] < h[j] }
func (h ints) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *ints) Push(x any) { *h = append(*h, x.(int)) } //nolint:forcetypeassert // ints holds int

// Pop is for container/heap.
func (h *ints) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
