package queue

// ScriptSHA is how Redis names a script: what a test looks for on the wire.
func ScriptSHA(q *Queue, name string) string {
	return map[string]*script{
		"accept": &q.scripts.accept, "cut": &q.scripts.cut, "finish": &q.scripts.finish, "owned": &q.scripts.owned,
		"release": &q.scripts.release, "reply": &q.scripts.reply,
	}[name].flaggedSHA
}
