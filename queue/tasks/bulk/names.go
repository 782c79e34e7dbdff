package bulk

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/ekiben/ekiben/queue"
)

// What is stored, in the folder of the deployment:
//
//	files/<file>.jsonl                          a file that came
//	files/<file>.json                           its description
//	batches/<batch>/<kind>/<n>-<owner>.jsonl    a part of the outcomes of a batch
const (
	filesFolder   = "files/"
	batchesFolder = "batches/"
)

// folderOf is where a deployment keeps all it has: a bucket may be shared.
func folderOf(deployment string) string { return "ekiben/" + url.PathEscape(deployment) + "/" }

// Kinds of outcomes, as parts have them.
const (
	kindResults = "results"
	kindErrors  = "errors"
)

// What the ids of files begin with: those that came, and the outcomes of a batch.
const (
	fileID    = "file-"
	resultsID = "results-"
	errorsID  = "errors-"
)

// ResultsFile and ErrorsFile are the ids of the files with the outcomes of a
// batch.
func ResultsFile(batch string) string { return resultsID + batch }

// ErrorsFile is that of the lines that failed.
func ErrorsFile(batch string) string { return errorsID + batch }

func inputName(id string) string  { return filesFolder + id + ".jsonl" }
func cardName(id string) string   { return filesFolder + id + ".json" }
func partsOf(batch string) string { return batchesFolder + batch + "/" }
func partName(p queue.BatchPart, batch, owner string) string {
	return fmt.Sprintf("%s%s/%06d-%s.jsonl", partsOf(batch), p.Kind, p.N, owner)
}

// ourName are the names that are made here, with the file or the batch that each is
// of. On a disk, what was being written when a process died ends in .tmp.
var ourName = regexp.MustCompile(
	`^(?:files/(file-[0-9A-Za-z]{1,64})\.jsonl?|batches/([0-9A-Za-z]{1,64})/(?:results|errors)/[0-9]{6,}-[0-9A-Za-z]+\.jsonl)(?:\.[0-9a-f]+\.tmp)?$`)

// ownerOf is the id of the file or the batch that a name is of. ours: it is a name
// that is made here; nothing else is ever dropped.
func ownerOf(name string) (id string, ours bool) {
	m := ourName.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	return m[1] + m[2], true
}

// outcomesOf is the batch and the kind that the id of a file with outcomes names.
func outcomesOf(id string) (batch, kind string) {
	if b, ok := strings.CutPrefix(id, resultsID); ok {
		return b, kindResults
	}
	if b, ok := strings.CutPrefix(id, errorsID); ok {
		return b, kindErrors
	}
	return "", ""
}

// plainID reports whether an id is one of ours, and so no path.
func plainID(id, prefix string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	return ok && rest != "" && len(rest) <= 64 && !strings.ContainsFunc(rest, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}
