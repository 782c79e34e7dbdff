package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

const (
	echoBytes       = 1 << 10
	echoConnections = 128

	// echoRunner may batch as many calls as there are connections.
	echoRunner = `  - {name: echo, runnable: echo, max_batch_size: 128, max_queue: 10000, replicas: 1}`
)

// contender is one of the systems that benchmark 1 compares.
type contender struct {
	name      string
	targets   []string
	processes []*process
}

// echo is benchmark 1: what the path costs when the model costs nothing,
// against a handler without any path. Three systems take turns: bare, one
// worker, four workers.
func (b *bench) echo(ctx context.Context) (_ []Figure, err error) {
	kind := octets(barePath, echoBytes)
	bare, err := b.startBare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	contenders := []contender{{"bare", []string{bare.url}, []*process{bare.process}}}
	for _, workers := range []int{1, 4} {
		name := fmt.Sprintf("%d workers", workers)
		s, err := b.stack(ctx, fmt.Sprintf("echo-%d", workers), topology{gateways: 1, workers: workers, runners: lines(echoRunner)}, kind)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		contenders = append(contenders, contender{name, s.targets(), s.processes()})
	}

	many, err := b.echoRounds(ctx, kind, contenders[:2], echoConnections)
	if err != nil {
		return nil, err
	}
	single, err := b.echoRounds(ctx, kind, contenders, 1)
	if err != nil {
		return nil, err
	}
	return echoFigures(many, single), nil
}

// echoRound is what one contender did in one round.
type echoRound struct {
	loadtest.Report

	// cost is the processor time a call, in microseconds, of the generator and
	// of each process of the contender.
	cost []float64
}

// echoRounds measures contenders in turn, so that a slow minute of the machine
// is everybody's. The results are by contender, then by round.
func (b *bench) echoRounds(ctx context.Context, kind loadtest.Kind, contenders []contender, connections int) ([][]echoRound, error) {
	results := make([][]echoRound, len(contenders))
	for round := range b.times(7) {
		for i := range contenders {
			turn := (i + round) % len(contenders)
			result, err := b.echoOnce(ctx, kind, contenders[turn], connections)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", contenders[turn].name, err)
			}
			results[turn] = append(results[turn], result)
		}
	}
	return results, nil
}

func (b *bench) echoOnce(ctx context.Context, kind loadtest.Kind, c contender, connections int) (echoRound, error) {
	plan := loadtest.Plan{Targets: c.targets, Kinds: []loadtest.Kind{kind}, Connections: connections, Duration: b.span(time.Second)}
	if _, err := b.load(ctx, warmUp+c.name, plan); err != nil {
		return echoRound{}, err
	}
	before, err := processorTimes(c.processes)
	if err != nil {
		return echoRound{}, err
	}
	plan.Duration = b.span(4 * time.Second)
	report, err := b.load(ctx, fmt.Sprintf("echo %s, %d connections", c.name, connections), plan)
	if err != nil {
		return echoRound{}, err
	}
	after, err := processorTimes(c.processes)
	if err != nil {
		return echoRound{}, err
	}
	if err := clean(report); err != nil {
		return echoRound{}, err
	}
	if want := report.Accepted * echoBytes; report.Bytes.Received != want {
		return echoRound{}, fmt.Errorf("%d bytes in %d answers, want %d", report.Bytes.Received, report.Accepted, want)
	}
	r := echoRound{Report: report}
	for i := range after {
		r.cost = append(r.cost, float64((after[i]-before[i]).Microseconds())/float64(report.Accepted))
	}
	return r, nil
}

// echoFigures compares the rounds of bare, one worker and, with one connection,
// four workers.
func echoFigures(many, single [][]echoRound) []Figure {
	var ratio, bareRate, pathRate, added, addedFour, idle, bareP50 rounds
	costs := make([]rounds, len(many[1][0].cost))
	for i, bare := range many[0] {
		path := many[1][i]
		bareRate = append(bareRate, bare.GoodputPerSecond)
		pathRate = append(pathRate, path.GoodputPerSecond)
		ratio = append(ratio, path.GoodputPerSecond/bare.GoodputPerSecond)
		for j, cost := range path.cost {
			costs[j] = append(costs[j], cost)
		}
	}
	for i, bare := range single[0] {
		one := single[1][i].Latency.Accepted.P50 - bare.Latency.Accepted.P50
		four := single[2][i].Latency.Accepted.P50 - bare.Latency.Accepted.P50
		bareP50 = append(bareP50, bare.Latency.Accepted.P50*1000)
		added = append(added, one*1000)
		addedFour = append(addedFour, four*1000)
		idle = append(idle, four/one)
	}
	return []Figure{
		fact(1, "echo 1 KiB, bare handler, 128 connections", bareRate.spread("%.0f/s")),
		fact(1, "echo 1 KiB, whole path, 128 connections", pathRate.spread("%.0f/s")),
		atLeast(1, "whole path / bare handler, 128 connections", ratio.spread("%.2f"), ratio.median(), 0.40),
		fact(1, "processor time a call, 128 connections", fmt.Sprintf("redis %.0f, gateway %.0f, worker %.0f, load generator %.0f µs",
			costs[1].median(), costs[2].median(), costs[3].median(), costs[0].median())),
		fact(1, "p50 of the bare handler, 1 connection", bareP50.spread("%.0f µs")),
		atMost(1, "added p50, 1 connection, one worker, µs", added.spread("%.0f µs"), added.median(), 400),
		fact(1, "added p50, 1 connection, four idle workers", addedFour.spread("%.0f µs")),
		atMost(1, "added p50 with four idle workers / with one", idle.spread("%.2f"), idle.median(), 1.2),
	}
}

// startBare starts the server that the path is compared with.
func (b *bench) startBare(ctx context.Context) (server, error) {
	dir, err := b.dir("bare")
	if err != nil {
		return server{}, err
	}
	addr, err := freeAddress()
	if err != nil {
		return server{}, err
	}
	p, err := start(dir, "bare", nil, b.Bare[0], append(slices.Clip(b.Bare[1:]), addr)...)
	if err != nil {
		return server{}, err
	}
	s := server{p, "http://" + addr}
	if err := p.awaitReady(ctx, s.url+"/readyz"); err != nil {
		return server{}, errors.Join(err, p.stop())
	}
	return s, nil
}
