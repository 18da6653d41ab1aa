// Package rfc9110 judges those parts of HTTP messages that a spec may name: methods, header names and
// header values.
package rfc9110

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"chaosgo/agent/internal/spec"
)

// standard are the methods of RFC 9110 and RFC 5789, as they must be spelt.
var standard = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace,
}

// Method refuses what is no method, and a standard method in another case: it would be another method
// (RFC 9110 section 9.1), which nobody means.
func Method(field, method string) error {
	if !IsToken(method) {
		return spec.Bad(field, method, "not an HTTP method", "give one like GET")
	}
	if upper := strings.ToUpper(method); upper != method && slices.Contains(standard, upper) {
		return spec.Bad(field, method, "methods tell upper from lower case", "give "+upper)
	}
	return nil
}

// Headers refuses a map of which a name cannot be that of a header, or a value not be its value.
func Headers(field string, headers map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(headers)) { // the same refusal every time
		if !IsToken(name) {
			return spec.Bad(field, name, "not the name of a header", "give one like x-user")
		}
		if strings.ContainsFunc(headers[name], isControl) {
			return spec.Bad(field+"."+name, spec.Hidden(headers[name]), "not one line of text", "leave out line breaks and control characters")
		}
	}
	return nil
}

// NoneOf refuses headers that are set by whoever sends the message.
func NoneOf(field string, headers map[string]string, ours []string) error {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if slices.Contains(ours, http.CanonicalHeaderKey(name)) {
			return spec.Bad(field, name, "the agent frames the message itself", "leave this header out")
		}
	}
	return nil
}

// IsToken tells a token of section 5.6.2.
func IsToken[T string | []byte](text T) bool {
	for i := range len(text) {
		if !tokenByte[text[i]] {
			return false
		}
	}
	return len(text) > 0
}

var tokenByte = func() (set [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
		set[c] = true
	}
	return set
}()

// isControl tells the characters that section 5.5 does not allow in the value of a field.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
