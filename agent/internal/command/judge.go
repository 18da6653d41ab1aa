package command

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"chaosgo/agent/internal/spec"
)

// judge answers every line of in with one event that tells all that is wrong with its spec. Nothing is
// armed. It returns at the end of in.
func judge(in io.Reader, out, human io.Writer) int {
	lines := bufio.NewReaderSize(in, spec.MaxSpec)
	answers := json.NewEncoder(out)
	for {
		line, err := lines.ReadSlice('\n')
		if err == nil || len(line) > 0 {
			if err := answers.Encode(judged(line, errors.Is(err, bufio.ErrBufferFull))); err != nil {
				return stopped(human, err)
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a line that was judged already
			_, err = lines.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return spec.ExitClean
		}
		if err != nil {
			return stopped(human, err)
		}
	}
}

func judged(line []byte, tooLong bool) spec.Event {
	e := spec.Event{Event: spec.EventJudged, AtUnixS: float64(time.Now().UnixMicro()) / 1e6}
	if tooLong {
		e.Problems = []*spec.Problem{spec.Bad("line", fmt.Sprintf("(more than %d bytes)", spec.MaxSpec), "too long", "shorten the body")}
		return e
	}
	s, err := spec.DecodeSpec(line)
	e.ID = s.ID
	e.Problems = spec.ProblemsOf(err)
	return e
}

func stopped(human io.Writer, err error) int {
	fmt.Fprintln(human, "chaos-agent judge:", err)
	return spec.ExitCannotRun
}
