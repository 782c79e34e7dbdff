package placement

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Machine is what a worker process has to run on.
type Machine struct {
	// CPUs is how many cores the process may use, which can be a fraction.
	CPUs float64

	// GPUs are the NVIDIA devices that it can use, in order.
	GPUs []GPU

	// NoGPUs says why there are none, where there are none.
	NoGPUs string

	// Unseen: there may be GPUs, but this binary cannot look for them. Devices that
	// are asked for by name are taken unchecked then.
	Unseen bool
}

// GPU is a device that CUDA can be given: a whole GPU, or a part of one in MIG
// mode, which then cannot be had as a whole.
type GPU struct {
	// ID is what CUDA_VISIBLE_DEVICES is to have of it: an index or a UUID.
	ID string

	// Index is that of the GPU, from 0, as NVML and nvidia-smi count.
	Index int

	// UUID begins with GPU-, or MIG- where it is a part. Empty if it is not known.
	UUID string

	// Part: it is a part of GPU Index.
	Part bool

	// Name is the product's.
	Name string

	// Memory is how much it has, in bytes; 0 if that is not known.
	Memory uint64

	// Load is how many instances have been placed on it by now.
	Load int

	// Used is how much of its memory was in use before, in bytes, and Processes how
	// many processes computed on it, as far as that is known.
	Used      uint64
	Processes int
}

// usedStep is what Used is compared in, in bytes: less than that idle GPUs differ by,
// and more than that what a process has that does nothing yet.
const usedStep = 256 << 20

// emptier compares groups of as many devices: first by the instances that they have
// been given, then by what they were used for before.
func emptier(a, b []GPU) int {
	sum := func(group []GPU, of func(GPU) int) (n int) {
		for _, g := range group {
			n += of(g)
		}
		return n
	}
	by := func(of func(GPU) int) int { return cmp.Compare(sum(a, of), sum(b, of)) }
	return cmp.Or(
		by(func(g GPU) int { return g.Load }),
		by(func(g GPU) int { return int(g.Used / usedStep) }),
		by(func(g GPU) int { return g.Processes }),
	)
}

// WholeGPU is a GPU that is not divided.
func WholeGPU(index int, uuid, name string, memory uint64) GPU {
	return GPU{ID: strconv.Itoa(index), Index: index, UUID: uuid, Name: name, Memory: memory}
}

// PartOfGPU is a part of the GPU with that index, which is in MIG mode.
func PartOfGPU(index int, uuid, name string, memory uint64) GPU {
	return GPU{ID: uuid, Index: index, UUID: uuid, Name: name, Memory: memory, Part: true}
}

// Find returns the device with this index or UUID. The beginning of a UUID is
// enough where it is that of no other one.
func (m Machine) Find(id string) (GPU, error) {
	if m.Unseen {
		return GPU{ID: id}, nil
	}
	var found []GPU
	for _, g := range m.GPUs {
		switch {
		case g.ID == id || strings.EqualFold(g.UUID, id), !g.Part && id == strconv.Itoa(g.Index):
			return g, nil
		case len(id) > len("GPU-") && len(g.UUID) > len(id) && strings.EqualFold(g.UUID[:len(id)], id):
			found = append(found, g)
		case g.Part && id == strconv.Itoa(g.Index):
			return GPU{}, fmt.Errorf("GPU %s is in MIG mode: name one of its parts by its UUID; %s", id, m.inventory())
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return GPU{}, fmt.Errorf("there is no GPU %s; %s", id, m.inventory())
	default:
		return GPU{}, fmt.Errorf("more than one GPU begins with %s; %s", id, m.inventory())
	}
}

// LeastLoaded returns the n devices with the fewest instances, of those with as many
// the ones that were used the least before, in their order. There must be as many.
func (m Machine) LeastLoaded(n int) []GPU {
	order := make([]int, len(m.GPUs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return emptier(m.GPUs[a:a+1], m.GPUs[b:b+1]) })
	order = order[:n]
	slices.Sort(order)
	chosen := make([]GPU, n)
	for i, at := range order {
		chosen[i] = m.GPUs[at]
	}
	return chosen
}

// Seeing returns the machine with those GPUs only that a process with this
// CUDA_VISIBLE_DEVICES may use: as CUDA does, it stops at the first that is not
// there. Those that the variable names by UUID have that as their ID.
func (m Machine) Seeing(visible string) Machine {
	if m.Unseen || len(m.GPUs) == 0 {
		return m
	}
	var seen []GPU
	for id := range strings.SplitSeq(visible, ",") {
		id = strings.TrimSpace(id)
		g, err := m.Find(id)
		if err != nil || slices.ContainsFunc(seen, g.same) {
			break
		}
		if id != strconv.Itoa(g.Index) {
			g.ID = g.UUID
		}
		seen = append(seen, g)
	}
	at := func(g GPU) int { return slices.IndexFunc(m.GPUs, g.same) }
	slices.SortFunc(seen, func(a, b GPU) int { return cmp.Compare(at(a), at(b)) })
	if m.GPUs = seen; len(seen) == 0 {
		m.NoGPUs = fmt.Sprintf("CUDA_VISIBLE_DEVICES of this process is %q", visible)
	}
	return m
}

// same reports whether two are one device.
func (g GPU) same(other GPU) bool { return g.Index == other.Index && g.UUID == other.UUID }

// load counts an instance on each of its devices.
func (m Machine) load(devices []string) {
	for _, id := range devices {
		found, err := m.Find(id)
		if err != nil || m.Unseen {
			continue
		}
		for i := range m.GPUs {
			if m.GPUs[i].ID == found.ID {
				m.GPUs[i].Load++
			}
		}
	}
}

// inventory says which GPUs there are.
func (m Machine) inventory() string {
	if len(m.GPUs) == 0 {
		if m.NoGPUs != "" {
			return "this machine has no NVIDIA GPU (" + m.NoGPUs + ")"
		}
		return "this machine has no NVIDIA GPU"
	}
	return fmt.Sprintf("this machine has %s: %s", count(len(m.GPUs), "GPU"), names(m.GPUs))
}

func names(gpus []GPU) string {
	ids := make([]string, len(gpus))
	for i, g := range gpus {
		ids[i] = g.ID
	}
	return strings.Join(ids, ", ")
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// cores is a number of cores with its noun, such as "2.5 cores".
func cores(n float64) string {
	if n == 1 {
		return "1 core"
	}
	return number(n) + " cores"
}

// number writes up to three digits of a fraction.
func number(n float64) string {
	return strconv.FormatFloat(math.Round(n*1000)/1000, 'f', -1, 64)
}
