package http1

import "bytes"

// fields is a raw head, read as the header fields of a relay.Request.
type fields []byte

// Values returns the values of all header lines of that name, in any case, without the white space
// around them, in their order; nil if there is none.
func (f *fields) Values(name string) (values []string) {
	_, lines, _ := cutLine(*f)
	for len(lines) > 0 {
		line, rest, ok := cutLine(lines)
		if !ok || len(line) == 0 {
			break
		}
		if found, value, ok := cutField(line); ok && bytes.EqualFold(found, []byte(name)) {
			values = append(values, string(value))
		}
		lines = rest
	}
	return values
}
