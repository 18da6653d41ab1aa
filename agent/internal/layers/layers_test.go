// Package layers checks who may import whom in the agent. It has tests and nothing else.
package layers

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
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

// list is the list of kinds. A package that it imports is a kind; nothing else imports one.
const list = "internal/kinds"

// below and above are all other packages of the agent, from the bottom to the top. Kinds are between
// the two. A package may import those of lower layers and none of its own. Add a new package to the
// lowest layer that is above all that it imports; a new kind needs no line here.
var (
	below = [][]string{
		// The wire, and what needs nothing of ours.
		{"internal/spec", "internal/pulse", "internal/confine", "internal/delay", "internal/histogram", "internal/relay"},
		// What stands on these.
		{"internal/watchdog", "internal/nfqueue", "internal/rfc9110", "internal/distribution"},
		{"internal/http1"},
		// What kinds are made of.
		{"internal/lease", "internal/steer", "internal/takeover", "internal/check"},
	}
	above = [][]string{
		// The command line, which knows no kind, and the list of kinds, which the programs add.
		{"internal/command", list},
		{"cmd/chaos-agent", "cmd/contract"},
	}
)

// outside are for tests only: no package imports them, but tests may.
var outside = []string{"internal/layers", "internal/testnet", "internal/takeover/keepalive"}

// onlyFrom says which package alone may import a library that is not to be in the agent.
var onlyFrom = map[string]string{"github.com/invopop/jsonschema": "cmd/contract"}

// parsed is what one package imports: the files that are built, and those of tests.
type parsed struct{ code, tests []string }

// agent is all packages of the module by their path in it, and where they belong.
type agent struct {
	packages map[string]*parsed
	kinds    []string
	layers   [][]string
}

func readAgent(t *testing.T) *agent {
	t.Helper()
	a := &agent{packages: packages(t)}
	for _, imported := range a.packages[list].code {
		a.kinds = append(a.kinds, strings.TrimPrefix(imported, module))
	}
	a.layers = slices.Concat(below, [][]string{a.kinds}, above)
	return a
}

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
		imported, err := importsOf(file)
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
		*into = append(*into, imported...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func importsOf(file string) (paths []string, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	tree, err := parser.ParseFile(token.NewFileSet(), file, raw, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	for _, i := range tree.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return nil, err
		}
		paths = append(paths, imported)
	}
	return paths, nil
}

// layerOf returns the layer of a package, from 0; -1 is outside of all.
func (a *agent) layerOf(t *testing.T, name string) int {
	t.Helper()
	for i, layer := range a.layers {
		if slices.Contains(layer, name) {
			return i
		}
	}
	if !slices.Contains(outside, name) {
		t.Errorf("%s has no layer: add it in agent/internal/layers/layers_test.go, or to %s if it is a kind", name, list)
	}
	return -1
}

func TestImportsGoDownOnly(t *testing.T) {
	a := readAgent(t)
	for name, p := range a.packages {
		mine := a.layerOf(t, name)
		for _, imported := range p.code {
			own, ok := strings.CutPrefix(imported, module)
			if !ok || mine < 0 {
				continue
			}
			theirs := a.layerOf(t, own)
			switch {
			case theirs < 0:
				t.Errorf("%s imports %s, which is for tests", name, own)
			case slices.Contains(a.kinds, own) && name != list:
				t.Errorf("%s imports the kind %s; only %s may", name, own, list)
			case theirs >= mine:
				t.Errorf("%s imports %s, which is not in a lower layer", name, own)
			}
		}
	}
}

// Tests may import whatever helps them, but no kind except their own.
func TestTestsKnowNoOtherKind(t *testing.T) {
	a := readAgent(t)
	for name, p := range a.packages {
		for _, imported := range p.tests {
			own, _ := strings.CutPrefix(imported, module)
			if slices.Contains(a.kinds, own) && own != name && name != list {
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

// A package that is gone must not keep its place in the lists.
func TestEveryPackageOfTheListsExists(t *testing.T) {
	a := readAgent(t)
	for _, name := range append(slices.Concat(a.layers...), outside...) {
		if a.packages[name] == nil {
			t.Errorf("%s has a layer, but is not in agent/", name)
		}
	}
}
