package spec

import (
	"fmt"
	"strconv"
)

// Positive refuses a number unless it is more than 0 and at most the given one.
func Positive(field string, value, most float64, message, unit string) error {
	if value > 0 && value <= most {
		return nil
	}
	return Bad(field, Number(value), message, fmt.Sprintf("give more than 0 and at most %s %s", Number(most), unit))
}

// Within refuses a whole number outside of a range.
func Within(field string, value, least, most int, message string) error {
	if value >= least && value <= most {
		return nil
	}
	return Bad(field, strconv.Itoa(value), message, fmt.Sprintf("give %d to %d", least, most))
}

// Number gives a number as people write it: 100, not 1e+02.
func Number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// Hidden gives what may be said of a body or of the value of a header, which may be a secret.
func Hidden(value string) string { return fmt.Sprintf("(%d bytes)", len(value)) }
