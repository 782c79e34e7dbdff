package ekiben

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func schedulesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "schedules", Short: "Show cron schedules; add, remove, pause and resume them",
		Long: "Show the schedules that run methods at certain times; add, remove, pause and\n" +
			"resume them. Those of ekiben.yaml are changed there. What changes something needs\n" +
			"the gateway's admin token in EKIBEN_ADMIN_TOKEN, unless the gateway has none and\n" +
			"listens on loopback.",
	}
	c.AddCommand(
		question{use: "list", short: "List schedules with their last and next run", path: "/v1/schedules", table: schedulesTable}.command(),
		question{use: "show NAME", short: "Show a schedule with its next five runs", path: "/v1/schedules/%s", table: scheduleTable}.command(),
		addScheduleCommand(),
		question{
			use: "remove NAME", short: "Remove a schedule; its jobs stay", method: http.MethodDelete, path: "/v1/schedules/%s", admin: true,
		}.command(),
		tickCommand("pause", "Let a schedule not tick"),
		tickCommand("resume", "Let a schedule tick from now on"),
	)
	return c
}

func schedulePath(name string) string { return "/v1/schedules/" + url.PathEscape(name) }

// tickCommand makes a command that says whether a schedule ticks.
func tickCommand(name, short string) *cobra.Command {
	return question{
		use: name + " NAME", short: short, method: http.MethodPost, path: "/v1/schedules/%s/" + name, admin: true, table: scheduleTable,
	}.command()
}

// scheduleInput is a schedule on the command line. Its gateway checks it.
type scheduleInput struct {
	Runner   string          `json:"runner"`
	Method   string          `json:"method"`
	Cron     string          `json:"cron"`
	TimeZone string          `json:"time_zone,omitempty"`
	Input    json.RawMessage `json:"input,omitempty"`
	Timeout  string          `json:"timeout,omitempty"`
	Priority string          `json:"priority,omitempty"`
	Missed   string          `json:"missed,omitempty"`
	Retry    *retryInput     `json:"retry,omitempty"`
	Paused   bool            `json:"paused,omitempty"`
}

type retryInput struct {
	Attempts int `json:"attempts"`
}

func addScheduleCommand() *cobra.Command {
	var r remote
	var format, input string
	var s scheduleInput
	var retries int
	c := &cobra.Command{
		Use:   "add NAME RUNNER METHOD",
		Short: "Add a schedule, or change one",
		Example: "  ekiben schedules add nightly sentiment scores --cron '30 2 * * *' --time-zone Europe/Berlin \\\n" +
			"    --json '{\"texts\": [\"good\", \"bad\"]}'\n" +
			"  ekiben schedules add pulse sentiment scores --cron '@every 5m' --json '{\"texts\": []}' --missed skip",
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Runner, s.Method = args[1], args[2]
			if input != "" {
				if !json.Valid([]byte(input)) {
					return errors.New("--json is not valid JSON")
				}
				s.Input = json.RawMessage(input)
			}
			if cmd.Flags().Changed("retries") {
				s.Retry = &retryInput{retries}
			}
			body, err := json.Marshal(s)
			if err != nil {
				return fmt.Errorf("the schedule: %w", err)
			}
			header := adminHeader()
			header.Set("Content-Type", "application/json")
			answer, err := r.send(cmd.Context(), http.MethodPut, schedulePath(args[0]), body, header)
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), format, answer.body, scheduleTable)
		},
	}
	f := c.Flags()
	f.StringVar(&s.Cron, "cron", "", "when: five fields of cron, @daily and the like, or @every 90s")
	f.StringVar(&s.TimeZone, "time-zone", "", "whose wall clock, such as Europe/Berlin; UTC if not given")
	f.StringVar(&input, "json", "", "the body of the calls; {} if not given")
	f.StringVar(&s.Timeout, "timeout", "", "how long a job may take, such as 30s")
	f.StringVar(&s.Priority, "priority", "", "high, normal or low")
	f.IntVar(&retries, "retries", 0, "how often a failed job is tried again; what the runner says if not given")
	f.StringVar(&s.Missed, "missed", "", "what is run of ticks that nobody was there for: skip (none), once (the latest) or all")
	f.BoolVar(&s.Paused, "paused", false, "do not let it tick yet")
	cobra.CheckErr(c.MarkFlagRequired("cron"))
	addRemote(c, &r)
	addOutput(c, &format)
	return c
}
