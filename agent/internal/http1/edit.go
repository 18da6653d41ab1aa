package http1

import (
	"bytes"
	"strings"

	"chaosgo/agent/internal/relay"
)

// rewriting is what edits make of one answer.
type rewriting struct {
	head    []byte
	body    []byte
	replace bool // body is sent in place of the one of the service
	change  relay.Change
}

// rewrite applies edits to an answer with the given raw head; nil when nothing changes.
func rewrite(edits []*relay.Edit, raw []byte, h *head, headless bool) *rewriting {
	change, changes := relay.Merge(edits, h.status)
	if !changes {
		return nil
	}
	r := &rewriting{head: rewriteHead(raw, &change), change: change}
	if change.Replace && !headless { // an answer to HEAD has the head of an answer to GET, and no body
		r.replace, r.body = true, change.Body
	}
	return r
}

// rewriteHead returns a head with other header lines. Lines that stay keep their bytes and their
// order.
func rewriteHead(raw []byte, change *relay.Change) []byte {
	status := bytes.IndexByte(raw, '\n') + 1
	changed := append(make([]byte, 0, len(raw)+256), raw[:status]...)
	for lines := raw[status:]; ; {
		line, rest, _ := cutLine(lines)
		if len(line) == 0 {
			break
		}
		name, _, _ := cutField(line)
		if !change.Drops(strings.ToLower(string(name))) {
			changed = append(changed, lines[:len(lines)-len(rest)]...)
		}
		lines = rest
	}
	for _, field := range change.Fields() {
		changed = append(changed, field.Name+": "+field.Value+"\r\n"...)
	}
	return append(changed, "\r\n"...)
}

// tell counts an answer that was changed.
func (r *rewriting) tell() {
	if r != nil {
		r.change.Applied()
	}
}
