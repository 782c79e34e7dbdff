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
	echoRunner = `  - {name: echo, runnable: echo, max_batch_size: 128, max_queue: 10000}`
)

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
	targets := map[string][]string{"bare": {bare.url}}
	for name, workers := range map[string]int{"one": 1, "four": 4} {
		s, err := b.stack(ctx, "echo-"+name, topology{gateways: 1, workers: workers, runners: lines(echoRunner)}, kind)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		targets[name] = s.targets()
	}

	many, err := b.echoRounds(ctx, kind, targets, []string{"bare", "one"}, echoConnections)
	if err != nil {
		return nil, err
	}
	single, err := b.echoRounds(ctx, kind, targets, []string{"bare", "one", "four"}, 1)
	if err != nil {
		return nil, err
	}
	return echoFigures(many, single), nil
}

// echoResult are the reports of one target, one a round.
type echoResult map[string][]loadtest.Report

// echoRounds measures the named targets in turn, so that a slow minute of the
// machine is everybody's.
func (b *bench) echoRounds(ctx context.Context, kind loadtest.Kind, targets map[string][]string, names []string, connections int) (echoResult, error) {
	result := echoResult{}
	for round := range b.times(7) {
		for i := range names {
			name := names[(i+round)%len(names)]
			report, err := b.load(ctx, fmt.Sprintf("echo %s, %d connections", name, connections), loadtest.Plan{
				Targets: targets[name], Kinds: []loadtest.Kind{kind}, Connections: connections,
				Warmup: b.span(time.Second), Duration: b.span(4 * time.Second),
			})
			if err == nil {
				err = clean(report)
			}
			if err == nil && report.Bytes.Received != report.Accepted*echoBytes {
				err = fmt.Errorf("%d bytes in %d answers, want %d each", report.Bytes.Received, report.Accepted, echoBytes)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			result[name] = append(result[name], report)
		}
	}
	return result, nil
}

func echoFigures(many, single echoResult) []Figure {
	var ratio, bareRate, pathRate, added, addedFour, idle, bareP50 rounds
	for i, bare := range many["bare"] {
		path := many["one"][i]
		bareRate = append(bareRate, bare.GoodputPerSecond)
		pathRate = append(pathRate, path.GoodputPerSecond)
		ratio = append(ratio, path.GoodputPerSecond/bare.GoodputPerSecond)
	}
	for i, bare := range single["bare"] {
		one := single["one"][i].Latency.Accepted.P50 - bare.Latency.Accepted.P50
		four := single["four"][i].Latency.Accepted.P50 - bare.Latency.Accepted.P50
		bareP50 = append(bareP50, bare.Latency.Accepted.P50*1000)
		added = append(added, one*1000)
		addedFour = append(addedFour, four*1000)
		idle = append(idle, four/one)
	}
	return []Figure{
		fact(1, "echo 1 KiB, bare handler, 128 connections", bareRate.spread("%.0f/s")),
		fact(1, "echo 1 KiB, whole path, 128 connections", pathRate.spread("%.0f/s")),
		atLeast(1, "whole path / bare handler, 128 connections", ratio.spread("%.2f"), ratio.median(), 0.40),
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
