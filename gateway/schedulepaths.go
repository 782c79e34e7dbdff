package gateway

import (
	"maps"

	"github.com/ekiben/ekiben/runnables"
)

// schedulePaths are the routes of schedules in the OpenAPI document.
func schedulePaths() object {
	name := []any{pathParameter("name")}
	shown := scheduleSchema(object{
		"source": object{"type": "string", "enum": []string{"file", "api"}}, "paused": typed("boolean"),
		"next_runs": object{"type": "array", "items": momentSchema(), "description": "The next 5, in the schedule's time zone."},
		"last_tick": momentSchema(), "last_job_id": typed("string"), "missed_ticks": typed("integer"),
		"refused_tick": momentSchema(), "refusal": typed("string"),
	}, "name", "runner", "method", "cron", "source", "paused", "next_runs")
	put := answer("The schedule, changed.", shown)
	put["201"] = object{"description": "The schedule, which is new.", "content": content(mediaJSON, shown)}
	putSchedule := secured(operation("putSchedule", "Define a schedule. A new one, or one that changes when it ticks, starts from now on.", name, put))
	putSchedule["requestBody"] = object{"required": true, "content": content(mediaJSON, scheduleSchema(object{"paused": typed("boolean")}, "runner", "method", "cron"))}
	return object{
		"/v1/schedules": object{"get": operation("listSchedules", "List the schedules, without their inputs.", nil, answer("The schedules, by name.", object{
			"type": "object", "properties": object{"schedules": object{"type": "array", "items": shown}}, "required": []string{"schedules"},
		}))},
		"/v1/schedules/{name}": object{
			"get":    operation("getSchedule", "Describe a schedule.", name, answer("The schedule.", shown)),
			"put":    putSchedule,
			"delete": secured(operation("dropSchedule", "Remove a schedule. Its jobs stay.", name, object{"204": object{"description": "It is gone."}})),
		},
		"/v1/schedules/{name}/pause":  object{"post": secured(operation("pauseSchedule", "Let a schedule not tick.", name, answer("The schedule as it is then.", shown)))},
		"/v1/schedules/{name}/resume": object{"post": secured(operation("resumeSchedule", "Let a schedule tick from now on.", name, answer("The schedule as it is then.", shown)))},
	}
}

func momentSchema() object { return object{"type": "string", "format": "date-time"} }

// scheduleSchema is a schedule with some properties more.
func scheduleSchema(properties object, required ...string) object {
	described := func(kind, description string) object { return object{"type": kind, "description": description} }
	maps.Copy(properties, object{
		"name": typed("string"), "runner": typed("string"), "method": typed("string"),
		"cron":      described("string", "Five fields (minute hour day-of-month month day-of-week), @hourly, @daily, @weekly, @monthly, @yearly or @every 90s."),
		"time_zone": object{"type": "string", "default": "UTC", "description": "The IANA name of a zone."},
		"input":     object{"description": "The body of the call as JSON.", "default": object{}},
		"timeout":   described("string", "How long a job may take, such as 30s."),
		"priority":  prioritySchema(),
		"retry": object{"type": "object", "properties": object{
			"attempts":   object{"type": "integer", "minimum": 1, "maximum": runnables.MaxRetries},
			"backoff_ms": typed("integer"), "max_backoff_ms": typed("integer"),
		}, "required": []string{"attempts"}},
		"missed": object{
			"type": "string", "enum": []string{"skip", "once", "all"}, "default": "once",
			"description": "What is run of ticks that nobody was there for: none, the latest, or all, up to 100.",
		},
	})
	return object{"type": "object", "properties": properties, "required": required}
}
