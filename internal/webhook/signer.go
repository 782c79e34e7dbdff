package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Bounds of a secret's key, in bytes; they are those of Standard Webhooks.
const minKey, maxKey = 24, 64

// secretPrefix begins secrets.
const secretPrefix = "whsec_"

// Signer signs messages as Standard Webhooks. It is safe for concurrent use.
type Signer struct {
	keys []*standardwebhooks.Webhook
}

// NewSigner makes a signer of secrets, whsec_ and base64 of 24 to 64 bytes,
// separated by commas. Every message is signed with all of them, so that
// receivers can change from one to the next. The errors do not tell the secrets.
func NewSigner(secrets string) (*Signer, error) {
	s := &Signer{}
	var errs []error
	for i, secret := range strings.Split(secrets, ",") {
		encoded, ok := strings.CutPrefix(strings.TrimSpace(secret), secretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < minKey || len(key) > maxKey {
			errs = append(errs, fmt.Errorf("webhook secret %d: want whsec_ and base64 of %d to %d bytes", i+1, minKey, maxKey))
			continue
		}
		w, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			errs = append(errs, fmt.Errorf("webhook secret %d is not taken", i+1))
			continue
		}
		s.keys = append(s.keys, w)
	}
	return s, errors.Join(errs...)
}

// sign sets the headers of a message that is sent at a time.
func (s *Signer) sign(h http.Header, id string, at time.Time, body []byte) error {
	signatures := make([]string, len(s.keys))
	for i, key := range s.keys {
		var err error
		if signatures[i], err = key.Sign(id, at, body); err != nil {
			return fmt.Errorf("sign: %w", err)
		}
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}
