package check

import (
	"encoding/json"
	"testing"
)

func TestPlaceAnswersForEveryMechanism(t *testing.T) {
	r := Place()
	for name, able := range r.Able {
		if able.OK == (able.Reason != "") {
			t.Errorf("%s: ok=%v with the reason %q", name, able.OK, able.Reason)
		}
	}
	for _, name := range []string{"nftables", "owner_tables", "set_timeouts", "tproxy", "redirect", "nfqueue_native", "nfqueue_xt", "netem"} {
		if _, ok := r.Able[name]; !ok {
			t.Errorf("nothing is said about %s", name)
		}
	}
	if r.Kernel == "" || r.Capabilities == nil {
		t.Errorf("kernel %q, capabilities %v", r.Kernel, r.Capabilities)
	}
	out, _ := json.MarshalIndent(r, "", " ")
	t.Logf("%s", out)
}
