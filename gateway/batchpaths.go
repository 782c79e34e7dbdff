package gateway

import "maps"

// batchPaths are the routes of batches and their files.
func batchPaths() object {
	id, batch, file := []any{pathParameter("id")}, reference("schemas", "Batch"), reference("schemas", "File")
	lines := object{"200": object{"description": "Lines of JSON.", "content": content(mediaLines, binarySchema())}}
	text := typed("string")
	after := object{"name": "after", "in": "query", "schema": text, "description": "The id of the last one of the page before."}
	created := operation("createBatch", "Run many calls: JSON lines, or a file that was uploaded.", []any{
		object{"name": "runner", "in": "query", "schema": text, "description": "The runner of lines that name none."},
		object{"name": "method", "in": "query", "schema": text, "description": "The method of lines that name none."},
	}, object{"202": object{"description": "The batch.", "content": content(mediaJSON, batch)}})
	created["requestBody"] = object{"required": true, "content": object{
		mediaLines: object{"schema": binarySchema()},
		mediaJSON: object{"schema": object{"type": "object", "properties": object{
			"input_file_id": text, "endpoint": text, "completion_window": object{"type": "string", "enum": []string{"24h"}},
			"metadata": object{"type": "object", "additionalProperties": text},
		}, "required": []string{"input_file_id", "endpoint", "completion_window"}}},
	}}
	uploaded := operation("uploadFile", "Store a file of JSON lines, one call a line.", nil, answer("The file.", file))
	uploaded["requestBody"] = object{"required": true, "content": object{
		mediaLines: object{"schema": binarySchema()},
		"multipart/form-data": object{"schema": object{"type": "object", "properties": object{
			"file": object{}, "purpose": object{"type": "string", "enum": []string{"batch"}},
		}, "required": []string{"file"}}},
	}}
	return object{
		"/v1/batches": object{
			"post": created,
			"get": operation("listBatches", "List batches, the newest first.",
				[]any{reference("parameters", "Limit"), reference("parameters", "Cursor"), after}, answer("A page of batches.", listPage("Batch"))),
		},
		"/v1/batches/{id}":         object{"get": operation("getBatch", "Describe a batch.", id, answer("The batch.", batch))},
		"/v1/batches/{id}/cancel":  object{"post": operation("cancelBatch", "Cancel a batch; what is done is kept.", id, answer("The batch.", batch))},
		"/v1/batches/{id}/results": object{"get": operation("getBatchResults", "The results, as far as they are stored, in the order of the input.", id, lines)},
		"/v1/batches/{id}/errors":  object{"get": operation("getBatchErrors", "The lines that failed, likewise.", id, maps.Clone(lines))},
		"/v1/files": object{
			"post": uploaded,
			"get": operation("listFiles", "List files, the newest first.", []any{
				reference("parameters", "Limit"), after, object{"name": "purpose", "in": "query", "schema": text, "description": "Only those for this: batch."},
			}, answer("A page of files.", listPage("File"))),
		},
		"/v1/files/{id}": object{
			"get":    operation("getFile", "Describe a file.", id, answer("The file.", file)),
			"delete": operation("deleteFile", "Drop a file that no batch needs.", id, answer("It is dropped.", deletedSchema())),
		},
		"/v1/files/{id}/content": object{"get": operation("getFileContent", "What is in a file.", id, maps.Clone(lines))},
	}
}

func batchSchema() object {
	text, integer := typed("string"), typed("integer")
	moment := object{"type": []string{"integer", "null"}, "description": "Seconds since 1970."}
	file := object{"type": []string{"string", "null"}}
	return object{
		"type": "object",
		"properties": object{
			"id": text, "object": text, "endpoint": text, "runner": text, "method": text, "input_file_id": text, "completion_window": text,
			"status": object{"type": "string", "enum": []string{
				"validating", "in_progress", "finalizing", "completed", "failed", "cancelling", "cancelled",
			}},
			"errors":         object{"type": []string{"object", "null"}},
			"output_file_id": file, "error_file_id": file,
			"created_at": integer, "in_progress_at": moment, "completed_at": moment, "failed_at": moment, "cancelled_at": moment, "expires_at": moment,
			"request_counts": object{"type": "object", "properties": object{"total": integer, "completed": integer, "failed": integer}},
			"metadata":       object{"type": []string{"object", "null"}},
			"urls":           object{"type": "object", "properties": object{"self": text, "results": text, "errors": text, "cancel": text}},
		},
		"required": []string{"id", "object", "status", "input_file_id", "created_at", "request_counts", "urls"},
	}
}

func fileSchema() object {
	text, integer := typed("string"), typed("integer")
	return object{
		"type":       "object",
		"properties": object{"id": text, "object": text, "bytes": integer, "lines": integer, "created_at": integer, "filename": text, "purpose": text},
		"required":   []string{"id", "object", "bytes", "created_at", "filename", "purpose"},
	}
}

// listPage is a page of a list in the shape of OpenAI's API.
func listPage(of string) object {
	p := page("data", of)
	properties, _ := p["properties"].(object)
	id := object{"type": []string{"string", "null"}}
	properties["object"], properties["has_more"] = typed("string"), typed("boolean")
	properties["first_id"], properties["last_id"] = id, id
	return p
}

func deletedSchema() object {
	return object{"type": "object", "properties": object{"id": typed("string"), "object": typed("string"), "deleted": typed("boolean")}}
}
