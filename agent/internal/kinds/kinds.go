// Package kinds is the list of all kinds of faults and loads. Importing it registers them; a new kind
// is one line here.
package kinds

import (
	_ "chaosgo/agent/internal/httpfault" // aborts, delays and changes HTTP messages
	_ "chaosgo/agent/internal/load"      // drives an open-loop load
)
