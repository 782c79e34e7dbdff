package dashboard

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"time"

	"github.com/ekiben/ekiben/queue"
)

//go:embed assets
var assets embed.FS

// Refresh is how often the page loads itself again.
const Refresh = 2 * time.Second

// Facts are what a page shows.
type Facts struct {
	// At is when the facts were gathered, shown in UTC.
	At time.Time

	// Runners are shown in this order.
	Runners []Runner

	// Tasks are background work; nil if that is not known.
	Tasks *Tasks

	// Schedules are shown in this order.
	Schedules []Schedule

	// Problem says why the facts may be old, or nothing.
	Problem string
}

// Runner is what is known of one runner.
type Runner struct {
	Name string

	// MaxQueue is how many calls its queue takes.
	MaxQueue int

	// Samples are stats of its queue, the oldest first; there may be none.
	Samples []queue.Stats

	// Workers are those that live.
	Workers []queue.Heartbeat

	// Unknown is whether it is not known which workers live.
	Unknown bool
}

// Tasks are how many tasks there are in each state, and some of them.
type Tasks struct {
	Active, Waiting, Scheduled, Retrying, Failed int

	// Some are shown in this order.
	Some []Task
}

// Task is one of them.
type Task struct {
	// ID is the task's, Job that of its job; "" is none's.
	ID, Job string

	State string
	// Bad: it was given up.
	Bad bool

	// Next is when it runs, shown in UTC; zero if it runs or will not.
	Next time.Time

	// LastError is why it did not end when it ran last.
	LastError string
}

// Schedule is what is known of one schedule.
type Schedule struct {
	Name, Runner, Method string

	// Cron says when, TimeZone is the IANA name of whose wall clock.
	Cron, TimeZone string

	// Next is when it ticks, shown in its own zone; zero if it does not.
	Next time.Time

	// Last is the last tick that became a job, LastJob is that; zero and "" if none
	// did.
	Last    time.Time
	LastJob string

	// Missed is how many ticks were not run, Refusal why the latest was not taken.
	Missed  int
	Refusal string

	Paused bool
}

// Page is a renderer of the dashboard. It is safe for concurrent use.
type Page struct {
	html  *template.Template
	style []byte
}

// New reads the templates that are part of the binary.
func New() (*Page, error) {
	html, err := template.ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	style, err := fs.ReadFile(assets, "assets/style.css")
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	return &Page{html: html, style: style}, nil
}

// Style is the style sheet, which the page wants at /dashboard/style.css.
func (p *Page) Style() []byte { return p.style }

// Render makes the page. Everything in the facts is escaped.
func (p *Page) Render(f Facts) ([]byte, error) {
	var b bytes.Buffer
	if err := p.html.ExecuteTemplate(&b, "dashboard.html", viewOf(f)); err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	return b.Bytes(), nil
}
