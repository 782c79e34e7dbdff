package gateway

import "github.com/ekiben/ekiben/queue"

// components are what operations of the OpenAPI document share.
func components() object {
	return object{
		"parameters": parameterSchemas(),
		"schemas": object{
			"Job": jobSchema(), "Problem": problemSchema(), "Runner": runnerSchema(), "Queue": queueSchema(), "DeadLetter": deadLetterSchema(), "Batch": batchSchema(), "File": fileSchema(),
		},
		"securitySchemes": object{"admin": object{
			"type": "http", "scheme": "bearer",
			"description": "The gateway's EKIBEN_ADMIN_TOKEN. Where it is not set, these routes are open to the host itself, if the gateway listens on loopback.",
		}},
	}
}

func typed(name string) object { return object{"type": name} }

func jobSchema() object {
	text, moment := typed("string"), object{"type": "string", "format": "date-time"}
	failure := object{"type": "object", "properties": object{"code": text, "message": text, "retryable": typed("boolean")}}
	return object{
		"type": "object",
		"properties": object{
			"id": text, "client_id": text, "runner": text, "method": text, "rows": typed("integer"), "attempt": typed("integer"),
			"state": object{"type": "string", "enum": states()}, "priority": prioritySchema(),
			"position":               object{"type": "integer", "minimum": 1, "description": "About the job's place in the queue, while it is queued."},
			"expected_start_seconds": object{"type": "number", "description": "About how long it takes until its turn comes."},
			"start_by_at":            moment, "created_at": moment, "started_at": moment, "finished_at": moment, "deadline_at": moment, "expires_at": moment,
			"retries_left": object{"type": "integer", "description": "How often it is tried again if it fails."},
			"run_at":       object{"type": "string", "format": "date-time", "description": "When a job that is delayed, or is to be tried again, is queued."},
			"attempts": object{
				"type": "array", "items": object{"type": "object", "properties": object{"at": moment, "error": failure}},
				"description": "Those that failed and were followed by another; not in lists.",
			},
			"webhook": webhookSchema(),
			"error":   failure,
			"urls":    object{"type": "object", "properties": object{"self": text, "result": text, "cancel": text, "retry": text}},
		},
		"required": []string{"id", "runner", "method", "state", "priority", "attempt", "urls"},
	}
}

func webhookSchema() object {
	text, integer := typed("string"), typed("integer")
	return object{
		"type": "object", "description": "Who is told of the end, and how that went; not in lists.",
		"properties": object{
			"url": text, "events": object{"type": "array", "items": text}, "deliveries": integer,
			"state":  object{"type": "string", "enum": []queue.HookState{queue.HookPending, queue.HookDelivered, queue.HookFailed, queue.HookGone}},
			"status": integer, "answer": text, "at": object{"type": "string", "format": "date-time"},
		},
	}
}

func problemSchema() object {
	text, words := typed("string"), object{"type": "array", "items": typed("string")}
	return object{
		"type": "object",
		"properties": object{
			"type": text, "title": text, "status": typed("integer"), "detail": text, "retryable": typed("boolean"),
			"code":    object{"type": "string", "enum": codes()},
			"methods": words, "accepts": words, "offers": words, "error_id": text,
		},
		"required": []string{"type", "title", "status", "code", "retryable"},
	}
}

func runnerSchema() object {
	text, integer := typed("string"), typed("integer")
	return object{
		"type": "object",
		"properties": object{
			"name": text, "runnable": text, "workers": integer, "instances": integer, "busy": integer,
			"methods": object{"type": "array", "items": typed("object")},
			"limits":  typed("object"), "queue": typed("object"),
		},
		"required": []string{"name", "runnable", "methods", "limits", "workers", "instances", "busy"},
	}
}

// prioritySchema is the word for a lane.
func prioritySchema() object {
	words := make([]string, len(lanes()))
	for i, lane := range lanes() {
		words[i] = laneName(lane)
	}
	return object{"type": "string", "enum": words}
}

func queueSchema() object {
	integer := typed("integer")
	lane := object{"type": "object", "properties": object{"calls": integer, "rows": integer, "oldest_seconds": typed("number")}}
	return object{
		"type": "object",
		"properties": object{
			"runner": typed("string"), "degraded": typed("boolean"),
			"gate":  object{"type": "string", "enum": []queue.Gate{queue.GateOpen, queue.GatePaused, queue.GateDraining}},
			"depth": integer, "waiting": integer, "waiting_rows": integer, "bytes": integer, "oldest_seconds": typed("number"),
			"lanes":   object{"type": "object", "properties": object{"high": lane, "normal": lane, "low": lane}},
			"callers": integer, "workers": integer, "result_bytes": integer, "dead_letters": integer, "limits": typed("object"),
		},
		"required": []string{"runner", "gate", "degraded", "depth", "waiting", "lanes", "dead_letters", "limits"},
	}
}

func deadLetterSchema() object {
	text, integer, moment := typed("string"), typed("integer"), object{"type": "string", "format": "date-time"}
	input := object{
		"type": "object",
		"properties": object{
			"name": text, "datatype": text, "shape": object{"type": "array", "items": integer}, "bytes": integer,
			"value": object{"description": "The argument, if it is small enough to be shown."},
		},
		"required": []string{"name", "datatype", "shape", "bytes"},
	}
	return object{
		"type": "object",
		"properties": object{
			"id": text, "runner": text, "reason": text, "died_at": moment, "accepted_at": moment, "call_id": text, "method": text,
			"priority": prioritySchema(), "attempt": integer, "rows": integer, "bytes": integer,
			"job": typed("boolean"), "redrivable": typed("boolean"), "error": text, "inputs": object{"type": "array", "items": input},
		},
		"required": []string{"id", "runner", "reason", "rows", "bytes", "job", "redrivable"},
	}
}
