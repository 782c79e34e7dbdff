package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// object is a JSON object of the document. Names come out sorted.
type object = map[string]any

// getOpenAPI answers GET /openapi.json.
func (g *Gateway) getOpenAPI(r *request) error {
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, g.openAPI())
}

// openAPI describes the routes, those of every known runner and service, as
// OpenAPI 3.1.
func (g *Gateway) openAPI() object {
	paths := jobPaths()
	maps.Copy(paths, queuePaths())
	maps.Copy(paths, batchPaths())
	maps.Copy(paths, taskPaths())
	maps.Copy(paths, schedulePaths())
	paths["/v1/runners"] = object{"get": operation("listRunners", "List the runners.", nil, answer("The runners.", object{
		"type": "object", "properties": object{"runners": object{"type": "array", "items": reference("schemas", "Runner")}}, "required": []string{"runners"},
	}))}
	paths["/v1/runners/{runner}"] = object{"get": operation("getRunner", "Describe a runner.", []any{pathParameter("runner")},
		answer("The runner.", reference("schemas", "Runner")))}
	for _, found := range g.roster.callable() {
		for _, s := range found.spec.Methods {
			m := found.methods[s.Name]
			paths[m.url()] = object{"post": m.operation()}
		}
	}
	for _, s := range g.deps.Services {
		for _, api := range s.APIs {
			paths[api.Route] = object{"post": api.operation(s.Name)}
		}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Ekiben", "version": "1",
			"description": "Runs models. A run is answered at once, or becomes a job with Prefer: respond-async or Prefer: wait=n, or by a name of the client's, an Idempotency-Key or the id of a PUT, or by asking for a later time, further attempts, or a webhook. So is a request to a service.",
		},
		"paths":      paths,
		"components": components(),
	}
}

// operation is what a route does. All may fail with a problem.
func operation(id, summary string, parameters []any, responses object) object {
	responses["default"] = object{
		"description": "What went wrong.", "content": content(mediaProblem, reference("schemas", "Problem")),
	}
	op := object{"operationId": id, "summary": summary, "responses": responses}
	if len(parameters) > 0 {
		op["parameters"] = parameters
	}
	return op
}

// answer is the response 200 with JSON.
func answer(description string, schema any) object {
	return object{"200": object{"description": description, "content": content(mediaJSON, schema)}}
}

func content(media string, schema any) object { return object{media: object{"schema": schema}} }

func reference(kind, name string) object {
	return object{"$ref": "#/components/" + kind + "/" + name}
}

func pathParameter(name string) object {
	return object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}}
}

// operation describes how a method is run.
func (m *method) operation() object {
	properties, names, inOrder, least := object{}, []string{}, []any{}, 0
	for i := range m.Inputs {
		properties[m.Inputs[i].Name] = schemaOf(&m.Inputs[i])
		inOrder = append(inOrder, schemaOf(&m.Inputs[i]))
		if !m.Inputs[i].Optional {
			names = append(names, m.Inputs[i].Name)
			least = i + 1
		}
	}
	byName := object{"type": "object", "properties": properties, "required": names, "additionalProperties": false}
	body := object{}
	for _, media := range m.accepts {
		body[media] = object{"schema": binarySchema()}
	}
	body[mediaJSON] = object{"schema": byName}
	switch {
	case m.byPosition():
		byPosition := object{"type": "array", "prefixItems": inOrder, "items": false, "minItems": least}
		body[mediaJSON] = object{"schema": object{"oneOf": []any{byName, byPosition}}}
	case m.single == nil:
	case m.single.DType == tensor.Any:
		body[mediaJSON] = object{"schema": object{"anyOf": []any{byName, schemaOf(m.single)}}}
	case m.single.Content != runnables.JSON:
		body[mediaJSON] = object{"schema": object{"oneOf": []any{byName, schemaOf(m.single)}}}
	}
	results := object{}
	for _, media := range m.offers {
		results[media] = object{"schema": binarySchema()}
	}
	results[mediaJSON] = object{"schema": m.resultSchema()}
	op := operation(operationID(m.runner.spec.Runner, m.Name), m.summary(), callParameters(), object{
		"200": object{"description": "The result.", "content": results},
		"202": object{"description": "The call is a job now.", "content": content(mediaJSON, reference("schemas", "Job"))},
	})
	op["tags"] = []string{m.runner.spec.Runner}
	op["requestBody"] = object{"required": true, "content": body}
	return op
}

// summary says in a sentence what a method takes.
func (m *method) summary() string {
	s := "Run " + usage(m) + "."
	if m.Batchable {
		s += " Dimension " + strconv.Itoa(m.BatchDim.In) + " counts rows; calls are run together."
	}
	return s
}

// resultSchema is the JSON that a method answers.
func (m *method) resultSchema() any {
	if len(m.Outputs) == 0 {
		return object{"description": "The method has not declared what it answers: " + anySchema + " Several values are an object, of result_0, result_1 and so on."}
	}
	if m.output != nil {
		return schemaOf(m.output)
	}
	properties := object{}
	for i := range m.Outputs {
		properties[m.Outputs[i].Name] = schemaOf(&m.Outputs[i])
	}
	return object{"type": "object", "properties": properties}
}

// operationID makes an id of the parts, of letters, digits, dashes and dots.
func operationID(parts ...string) string { return "run." + strings.Join(parts, ".") }

// binarySchema is a body that is not JSON: in OpenAPI 3.1 an empty schema.
func binarySchema() object { return object{} }

// anySchema describes a value of any type.
const anySchema = "ANY: numbers or booleans, alone or in arrays of equal lengths, or any other JSON."

// schemaOf is the JSON Schema of a value.
func schemaOf(v *runnables.ValueSpec) object {
	if v.DType == tensor.Any {
		return object{"description": anySchema}
	}
	schema := elementSchema(v)
	for _, n := range slices.Backward(v.Shape) {
		schema = object{"type": "array", "items": schema}
		if n >= 0 {
			schema["minItems"], schema["maxItems"] = n, n
		}
	}
	return schema
}

func elementSchema(v *runnables.ValueSpec) object {
	switch v.DType {
	case tensor.Bool:
		return object{"type": "boolean"}
	case tensor.FP16, tensor.BF16, tensor.FP32, tensor.FP64:
		return object{"type": "number"}
	case tensor.Bytes:
		switch v.Content {
		case runnables.Text:
			return object{"type": "string"}
		case runnables.JSON:
			return object{}
		case runnables.Opaque:
		}
		return object{"type": "string", "contentEncoding": "base64"}
	default:
		return object{"type": "integer", "format": strings.ToLower(v.DType.String())}
	}
}

// operation describes a route of a service.
func (a API) operation(service string) object {
	body, results := object{}, object{}
	for _, media := range bodyTypes(a.in) {
		body[media] = object{"schema": goSchema(a.in, media)}
	}
	for _, media := range answerTypes(a.out) {
		results[media] = object{"schema": goSchema(a.out, media)}
	}
	op := operation("serve"+strings.ReplaceAll(a.Route, "/", "."), fmt.Sprintf("POST %s of service %s.", a.Route, service), callParameters(), object{
		"200": object{"description": "The answer.", "content": results},
		"202": accepted("The request is a job now."),
	})
	op["tags"] = []string{service}
	op["requestBody"] = object{"required": true, "content": body}
	return op
}

// goSchema is the JSON Schema of a Go type as far as it is simple.
func goSchema(t reflect.Type, media string) object {
	if media == mediaOctets {
		return binarySchema()
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Struct, reflect.Map:
		return object{"type": "object"}
	default:
		return object{}
	}
}
