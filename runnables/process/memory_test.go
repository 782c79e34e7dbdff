//go:build linux

package process_test

import (
	"errors"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
	"github.com/ekiben/ekiben/tensor"
)

func TestTheProcessComputesOnTheMemoryThatCallsWereJoinedIn(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	parts := []tensor.Tensor{ramp(t, 1, 2, 20_000), ramp(t, 2, 3, 20_000)}
	out, err := method(t, i, "where").RunParts(t.Context(), [][]tensor.Tensor{parts})
	if err != nil {
		t.Fatal(err)
	}
	theirs := string(out.Tensors[0].Items()[0])
	ours := "inode " + process.InputInode(i) + " at 0"
	if theirs != ours {
		t.Errorf("the process read %q, what was joined is %q", theirs, ours)
	}
	want, err := tensor.Concat(0, parts)
	if err != nil {
		t.Fatal(err)
	}
	if got := process.InputBytes(i, len(want.Data())); string(got) != string(want.Data()) {
		t.Error("the region has other bytes than the joined calls")
	}
}

func TestOutputsAreReadWhereTheProcessWroteThem(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	m := method(t, i, "echo")
	run := func(from int) runnables.Outputs {
		out, err := m.RunParts(t.Context(), [][]tensor.Tensor{{ramp(t, from, 2, 40_000)}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	// As many as there are slots, and two more, none of which is released.
	var held []runnables.Outputs
	places := map[string]bool{}
	for n := range process.OutputSlots + 2 {
		out := run(n * 1000)
		held = append(held, out)
		file, err := mappingOf(out.Tensors[0].Data())
		if err != nil {
			t.Fatal(err)
		}
		if inRegion := n < process.OutputSlots; inRegion != (file != "") || inRegion != (out.Release != nil) || places[file] {
			t.Errorf("outputs %d are in %q", n, file)
		}
		places[file] = file != ""
	}
	for n, out := range held {
		if !out.Tensors[0].Equal(ramp(t, n*1000, 2, 40_000)) {
			t.Errorf("outputs %d were overwritten before they were released", n)
		}
	}
	held[1].Release()
	was, _ := mappingOf(held[1].Tensors[0].Data())
	again := run(77)
	if is, _ := mappingOf(again.Tensors[0].Data()); is != was {
		t.Errorf("after a release outputs are in %q, want %q", is, was)
	}
	if !held[0].Tensors[0].Equal(ramp(t, 0, 2, 40_000)) {
		t.Error("outputs 0 were overwritten")
	}
}

func TestOutputsOutliveTheProcessThatWroteThem(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	want := ramp(t, 4, 2, 40_000)
	out, err := method(t, i, "echo").RunParts(t.Context(), [][]tensor.Tensor{{want}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := act(t.Context(), i, "exit 1"); !errors.Is(err, runnables.ErrCrashed) {
		t.Fatal(err)
	}
	must(t, i, "say back")
	if !out.Tensors[0].Equal(want) {
		t.Error("outputs changed when their process died")
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if !out.Tensors[0].Equal(want) {
		t.Error("outputs changed when the instance was closed")
	}
	out.Release()
}

func TestSharedMemoryThatIsNotNeededIsGivenBack(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	run := func(from, rows int) (runnables.Outputs, tensor.Tensor) {
		in := ramp(t, from, rows, 50_000)
		out, err := method(t, i, "echo").RunParts(t.Context(), [][]tensor.Tensor{{in}})
		if err != nil {
			t.Fatal(err)
		}
		if !out.Tensors[0].Equal(in) {
			t.Errorf("%d rows came back as others", rows)
		}
		return out, in
	}
	lent, want := run(1, 200) // 40 MB
	free, _ := run(2, 200)
	free.Release()
	for round := range 4 {
		inputs, outputs := process.Tidy(t, i)
		most := int64(5 << 20)
		if round < 2 { // it was needed since the time before the last
			most = 50 << 20
		}
		if inputs > most || outputs > 50<<20+most {
			t.Errorf("round %d: the regions have %d and %d bytes", round, inputs, outputs)
		}
		out, _ := run(3, 5) // 1 MB
		out.Release()
	}
	if !lent.Tensors[0].Equal(want) {
		t.Error("outputs that are lent were lost")
	}
	lent.Release()
	again, _ := run(4, 250)
	again.Release()
	for range 3 {
		process.Tidy(t, i)
	}
	if inputs, outputs := process.Tidy(t, i); inputs > 5<<20 || outputs > 5<<20 {
		t.Errorf("when idle the regions have %d and %d bytes", inputs, outputs)
	}
}

func TestRegionsThatCannotBeSealedAreCopied(t *testing.T) {
	t.Parallel()
	from, to := process.CopiedRegion(t)
	want := ramp(t, 1, 1, 700_000).Data()
	if err := from(0, want); err != nil {
		t.Fatal(err)
	}
	if err := from(128, want); err != nil {
		t.Fatal(err)
	}
	got, err := to(128, len(want))
	if err != nil || string(got) != string(want) {
		t.Errorf("read other bytes than were written, %v", err)
	}
	if _, err := to(1<<30, 1); err == nil {
		t.Error("read beyond the end")
	}
}

func TestAProcessWithoutMappedRegionsIsServedAsWell(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	process.UseCopiedRegions(t, i)
	for _, width := range []int{20_000, 900_000, 16_384} {
		want := ramp(t, width, 2, width)
		out, err := method(t, i, "echo").RunParts(t.Context(), [][]tensor.Tensor{{want}})
		if err != nil {
			t.Fatal(err)
		}
		if !out.Tensors[0].Equal(want) || out.Release != nil {
			t.Errorf("rows of %d numbers came back as others", width)
		}
	}
}
