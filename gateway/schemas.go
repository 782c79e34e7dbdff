package gateway

import "github.com/ekiben/ekiben/queue"

// components are what operations of the OpenAPI document share.
func components() object {
	return object{
		"parameters": object{
			"Prefer": object{
				"name": "Prefer", "in": "header", "schema": object{"type": "string"},
				"description": "respond-async makes a job of the call; wait=n does too, and waits for it up to n seconds (RFC 7240).",
				"examples":    object{"job": object{"value": "respond-async"}, "wait": object{"value": "wait=10"}},
			},
			"Wait": object{
				"name": "Prefer", "in": "header", "schema": object{"type": "string"},
				"description": "wait=n waits up to n seconds for the job to end.",
			},
		},
		"schemas": object{"Job": jobSchema(), "Problem": problemSchema(), "Runner": runnerSchema()},
	}
}

func typed(name string) object { return object{"type": name} }

func jobSchema() object {
	text, moment := typed("string"), object{"type": "string", "format": "date-time"}
	return object{
		"type": "object",
		"properties": object{
			"id": text, "runner": text, "method": text, "rows": typed("integer"),
			"state": object{"type": "string", "enum": []queue.State{
				queue.Queued, queue.Running, queue.Succeeded, queue.Failed, queue.Canceled, queue.Expired,
			}},
			"created_at": moment, "started_at": moment, "finished_at": moment, "deadline_at": moment, "expires_at": moment,
			"error": object{"type": "object", "properties": object{"code": text, "message": text, "retryable": typed("boolean")}},
			"urls":  object{"type": "object", "properties": object{"self": text, "result": text, "cancel": text}},
		},
		"required": []string{"id", "runner", "method", "state", "urls"},
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
