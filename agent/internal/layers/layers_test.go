// Package layers checks who may import whom in the agent. It has tests and nothing else.
package layers

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module   = "chaosgo/agent/"
	rootPath = "../.." // of the module, from here
)

// layers are all packages of the agent, from the bottom to the top. A package may import those of
// lower layers and none of its own. Add a new package to the lowest layer that is above all that it
// imports; add a kind to kinds, and say so in the list of kinds (internal/kinds).
var layers = [][]string{
	// The wire, and what needs nothing of ours.
	{"internal/spec", "internal/pulse", "internal/confine", "internal/delay", "internal/histogram", "internal/relay"},
	// What stands on these.
	{"internal/watchdog", "internal/nfqueue", "internal/http1", "internal/rfc9110"},
	// What kinds are made of.
	{"internal/lease", "internal/steer", "internal/takeover", "internal/check"},
	kinds,
	// The command line, which knows no kind, and the list of kinds, which the programs add.
	{"internal/command", list},
	{"cmd/chaos-agent", "cmd/contract"},
}

// kinds are faults and loads. Only the list of kinds imports them.
var kinds = []string{"internal/httpfault", "internal/load"}

const list = "internal/kinds"

// outside are for tests only: no package imports them, but tests may.
var outside = []string{"internal/layers", "internal/testnet", "internal/takeover/keepalive"}

// onlyFrom says which package alone may import a library that is not to be in the agent.
var onlyFrom = map[string]string{"github.com/invopop/jsonschema": "cmd/contract"}

// parsed is what one package imports: the files that are built, and those of tests.
type parsed struct{ code, tests []string }

// packages reads the imports of every Go file. They are read here and not asked of `go list`, so that
// the cache of test results sees every file that they depend on; files for other machines count too.
func packages(t *testing.T) map[string]*parsed {
	t.Helper()
	all := map[string]*parsed{}
	err := filepath.WalkDir(rootPath, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), "_")):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(file) != ".go":
			return nil
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, raw, parser.ImportsOnly)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(rootPath, filepath.Dir(file))
		if err != nil {
			return err
		}
		if all[name] == nil {
			all[name] = &parsed{}
		}
		into := &all[name].code
		if strings.HasSuffix(file, "_test.go") {
			into = &all[name].tests
		}
		for _, i := range tree.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			*into = append(*into, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// layerOf returns the layer of a package, from 0; -1 is outside of all.
func layerOf(t *testing.T, name string) int {
	t.Helper()
	for i, layer := range layers {
		if slices.Contains(layer, name) {
			return i
		}
	}
	if !slices.Contains(outside, name) {
		t.Errorf("%s has no layer: add it to layers in agent/internal/layers/layers_test.go", name)
	}
	return -1
}

func TestImportsGoDownOnly(t *testing.T) {
	for name, p := range packages(t) {
		above := layerOf(t, name)
		for _, imported := range p.code {
			own, ok := strings.CutPrefix(imported, module)
			if !ok || above < 0 {
				continue
			}
			below := layerOf(t, own)
			switch {
			case below < 0:
				t.Errorf("%s imports %s, which is for tests", name, own)
			case slices.Contains(kinds, own) && name != list:
				t.Errorf("%s imports the kind %s; only %s may", name, own, list)
			case below >= above:
				t.Errorf("%s imports %s, which is not in a lower layer", name, own)
			}
		}
	}
}

// Tests may import what their package may, what is for tests, and the list of kinds: but no kind
// except their own.
func TestTestsKnowNoOtherKind(t *testing.T) {
	for name, p := range packages(t) {
		for _, imported := range p.tests {
			own, _ := strings.CutPrefix(imported, module)
			if slices.Contains(kinds, own) && own != name && name != list {
				t.Errorf("a test of %s imports the kind %s", name, own)
			}
		}
	}
}

func TestLibrariesThatAreNotForTheAgent(t *testing.T) {
	for name, p := range packages(t) {
		for _, imported := range append(p.code, p.tests...) {
			for library, only := range onlyFrom {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && name != only {
					t.Errorf("%s imports %s; only %s may", name, imported, only)
				}
			}
		}
	}
}

// A package that is gone must not keep its place in the list.
func TestEveryPackageOfTheListExists(t *testing.T) {
	all := packages(t)
	for _, name := range append(slices.Concat(layers...), outside...) {
		if name != path.Clean(name) || all[name] == nil {
			t.Errorf("%s is in the list of layers, but not in agent/", name)
		}
	}
}
