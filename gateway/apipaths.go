package gateway

import "github.com/ekiben/ekiben/runnables"

// The routes of jobs and of queues in the OpenAPI document, and what they share.

// parameterSchemas are the parameters that several operations have.
func parameterSchemas() object {
	text := typed("string")
	header := func(name, description, example string) object {
		return object{"name": name, "in": "header", "schema": text, "description": description, "example": example}
	}
	inQuery := func(name, description string, schema any) object {
		return object{"name": name, "in": "query", "schema": schema, "description": description}
	}
	moment := object{"type": "string", "format": "date-time"}
	const duration = " A duration such as 1.5s, 500ms or 2m, or a number of seconds."
	return object{
		"Prefer": object{
			"name": "Prefer", "in": "header", "schema": text,
			"description": "respond-async makes a job of the call; wait=n does too, and waits for it up to n seconds (RFC 7240).",
			"examples":    object{"job": object{"value": "respond-async"}, "wait": object{"value": "wait=10"}},
		},
		"Wait": object{
			"name": "Prefer", "in": "header", "schema": text,
			"description": "wait=n waits up to n seconds for the job to end.",
		},
		"Timeout":     header(headerTimeout, "How long the call may take, from its acceptance to its end."+duration, "1.5s"),
		"StartWithin": header(headerStartWithin, "How long after its acceptance the call may begin to run."+duration, "500ms"),
		"Priority":    object{"name": headerPriority, "in": "header", "schema": prioritySchema(), "description": "Which calls go first. What has waited for long goes first too."},
		"IdempotencyKey": header(headerKey, "Makes a job of the call, which is run once however often it is sent with this key and the same body: "+
			"1 to 255 visible ASCII characters, of the caller's own.", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
		"Retry": object{
			"name": headerRetry, "in": "header", "schema": object{"type": "integer", "minimum": 0, "maximum": runnables.MaxRetries},
			"description": "Makes a job of the call, which is tried again so often if it fails of something that may get better.", "example": 5,
		},
		"Delay": header(headerDelay, "Makes a job of the call, which is queued so much later, at most 30 days; its other times count from then."+duration, "10m"),
		"At":    header(headerAt, "Makes a job of the call, which is queued at that time (RFC 3339), at most 30 days ahead; now if it is over. Not together with "+headerDelay+".", "2026-09-30T12:00:00Z"),
		"Webhook": header(headerWebhook, "Makes a job of the call, of whose end a URL is told; behind a semicolon events, which are told: out of succeeded, failed, canceled and expired.",
			`https://example.com/hook; events="succeeded,failed"`),
		"Limit":    inQuery("limit", "How many at most.", object{"type": "integer", "minimum": 1, "maximum": maxPage, "default": usualPage}),
		"Cursor":   inQuery("cursor", "Go on behind a page: what it has as next.", text),
		"State":    inQuery("state", "Only jobs in this state.", object{"type": "string", "enum": states()}),
		"OfRunner": inQuery("runner", "Only jobs of this runner.", text),
		"From":     inQuery("from", "Only jobs that were accepted then or later.", moment),
		"Until":    inQuery("until", "Only jobs that were accepted earlier.", moment),
	}
}

// callParameters are the headers of a request that makes a call.
func callParameters() []any {
	return append([]any{reference("parameters", "IdempotencyKey")}, jobParameters()...)
}

// jobParameters are those of one whose job has the client's id.
func jobParameters() []any {
	return []any{
		reference("parameters", "Prefer"), reference("parameters", "Timeout"), reference("parameters", "StartWithin"), reference("parameters", "Priority"),
		reference("parameters", "Retry"), reference("parameters", "Delay"), reference("parameters", "At"), reference("parameters", "Webhook"),
	}
}

// jobPaths are the routes of jobs.
func jobPaths() object {
	id := []any{pathParameter("id")}
	wait := []any{pathParameter("id"), reference("parameters", "Wait")}
	job := reference("schemas", "Job")
	result := answer("The result, in the form that Accept asks for.", object{})
	result["202"] = accepted("The job is not done.")
	put := answer("The job, which has ended; with Prefer: wait=n its result.", object{})
	put["202"] = accepted("The job, which is new or not done.")
	putJob := operation("putJob", "Run a method as a job with an id of the client's. The same again is the same job.", append([]any{
		pathParameter("id"), queryParameter("runner"), queryParameter("method"),
	}, jobParameters()...), put)
	putJob["requestBody"] = object{"required": true, "description": "As for the method.", "content": content("*/*", binarySchema())}
	return object{
		"/v1/jobs": object{"get": operation("listJobs", "List jobs, the newest first.", []any{
			reference("parameters", "OfRunner"), reference("parameters", "State"), reference("parameters", "From"), reference("parameters", "Until"),
			reference("parameters", "Limit"), reference("parameters", "Cursor"),
		}, answer("A page of jobs.", page("jobs", "Job")))},
		"/v1/jobs/{id}": object{
			"get":    operation("getJob", "Tell the state of a job.", wait, answer("The job.", job)),
			"put":    putJob,
			"delete": operation("cancelJob", "Cancel a job.", id, answer("The job, canceled.", job)),
		},
		"/v1/jobs/{id}/result": object{"get": operation("getResult", "Get the result of a job.", wait, result)},
		"/v1/jobs/{id}/retry":  object{"post": operation("retryJob", "Run a job that did not succeed again.", id, object{"202": accepted("The job, queued again.")})},
	}
}

// queuePaths are the routes for operators.
func queuePaths() object {
	runner := []any{pathParameter("runner")}
	letter := []any{pathParameter("runner"), pathParameter("id")}
	state := reference("schemas", "Queue")
	paths := object{
		"/v1/queues": object{"get": operation("listQueues", "List the queues of all runners.", nil, answer("The queues.", object{
			"type": "object", "properties": object{"queues": object{"type": "array", "items": state}}, "required": []string{"queues"},
		}))},
		"/v1/queues/{runner}": object{"get": operation("getQueue", "Describe the queue of a runner.", runner, answer("The queue.", state))},
		"/v1/queues/{runner}/dead": object{
			"get": operation("listDeadLetters", "List the calls that were given up, the oldest first.", []any{
				pathParameter("runner"), reference("parameters", "Limit"), reference("parameters", "Cursor"),
			}, answer("A page of dead letters, at most 100.", page("dead_letters", "DeadLetter"))),
			"delete": secured(operation("dropDeadLetters", "Drop all dead letters.", runner, object{"204": object{"description": "They are gone."}})),
		},
		"/v1/queues/{runner}/dead/redrive": object{"post": secured(operation("redriveDeadLetters", "Queue dead letters again, up to 1000 at once.", runner,
			answer("How many were queued again and how many are left; stopped is why no more were.", object{
				"type": "object", "properties": object{
					"redriven": typed("integer"), "left": typed("integer"), "stopped": reference("schemas", "Problem"),
				}, "required": []string{"redriven", "left"},
			})))},
		"/v1/queues/{runner}/dead/{id}": object{
			"get":    operation("getDeadLetter", "Describe a dead letter, with its inputs.", letter, answer("The dead letter.", reference("schemas", "DeadLetter"))),
			"delete": secured(operation("dropDeadLetter", "Drop a dead letter.", letter, object{"204": object{"description": "It is gone."}})),
		},
		"/v1/queues/{runner}/dead/{id}/redrive": object{"post": secured(operation("redriveDeadLetter", "Queue a dead letter again, as a job.", letter,
			object{"202": accepted("The job.")}))},
	}
	for action, summary := range map[string]string{
		"pause":  "Take calls in and give none to workers.",
		"resume": "Open the queue again.",
		"drain":  "Take no calls in, and give to workers what is there.",
	} {
		paths["/v1/queues/{runner}/"+action] = object{"post": secured(operation(action+"Queue", summary, runner, answer("The queue as it is then.", state)))}
	}
	return paths
}

// accepted is the response 202 with a job.
func accepted(description string) object {
	return object{"description": description, "content": content(mediaJSON, reference("schemas", "Job"))}
}

// page is a list with a cursor.
func page(name, of string) object {
	return object{
		"type":       "object",
		"properties": object{name: object{"type": "array", "items": reference("schemas", of)}, "next": typed("string")},
		"required":   []string{name},
	}
}

// secured is an operation for those who may change the system.
func secured(op object) object {
	op["security"] = []any{object{"admin": []string{}}, object{}}
	return op
}

// queryParameter is one that must be there.
func queryParameter(name string) object {
	return object{"name": name, "in": "query", "required": true, "schema": typed("string")}
}
