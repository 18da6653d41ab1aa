package nullfault

import (
	"strings"
	"testing"

	"chaosgo/agent/internal/spec"
)

func TestTheNoteIsJudged(t *testing.T) {
	for note, valid := range map[string]bool{"": false, "a": true, strings.Repeat("a", 101): false} {
		if err := (&Null{Note: note}).Validate(&spec.Spec{}); (err == nil) != valid {
			t.Errorf("%d bytes: %v", len(note), err)
		}
	}
}
