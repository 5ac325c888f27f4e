// SPDX-License-Identifier: Apache-2.0

// Package camring_test holds the rules of the repository that no linter knows, as tests.
package camring_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "camring"

// goPackage is what go list says about a package of ours.
type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
	CgoFiles   []string
}

// list runs go list with cgo enabled, so that packages that need it are there.
func list(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps,CgoFiles"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.String())
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// sources calls visit with every file of the repository that people write.
func sources(t *testing.T, visit func(path string)) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (slices.Contains([]string{"bin", "build", "testdata", "__pycache__"}, d.Name()) ||
			strings.HasPrefix(d.Name(), "_") || strings.HasPrefix(d.Name(), ".") && d.Name() != ".ci"):
			return filepath.SkipDir
		case d.Type().IsRegular():
			count++
			visit(filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil || count < 10 {
		t.Fatalf("walked %d files: %v", count, err)
	}
}

func TestEverySourceFileBeginsWithItsLicence(t *testing.T) {
	extensions := []string{".go", ".s", ".c", ".h", ".py", ".sh", ".yml", ".yaml"}
	names := []string{"Makefile", ".ci/run"}
	sources(t, func(path string) {
		if !slices.Contains(extensions, filepath.Ext(path)) && !slices.Contains(names, path) {
			return
		}
		if filepath.Ext(path) == ".yaml" && filepath.Dir(path) == "." {
			return // somebody's own configuration
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(data, []byte("#!")) {
			_, data, _ = bytes.Cut(data, []byte("\n"))
		}
		first, rest, _ := strings.Cut(string(data), "\n")
		switch first {
		case "// SPDX-License-Identifier: Apache-2.0", "/* SPDX-License-Identifier: Apache-2.0 */":
			if !strings.HasPrefix(rest, "\n") {
				t.Errorf("%s: want a blank line after the licence line", path)
			}
		case "# SPDX-License-Identifier: Apache-2.0":
		default:
			t.Errorf("%s: got %q as first line, want SPDX-License-Identifier: Apache-2.0 as a comment", path, first)
		}
	})
}

func TestEveryPackageHasADocComment(t *testing.T) {
	documented := map[string]bool{}
	sources(t, func(path string) {
		if filepath.Ext(path) != ".go" {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") && filepath.Dir(path) != "." {
			return
		}
		dir := filepath.Dir(path)
		documented[dir] = documented[dir] || strings.TrimSpace(file.Doc.Text()) != ""
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: the package has no doc comment", dir)
		}
	}
}

// TestUnsafeStaysInItsFiles is also about import "C", whose generated code is unsafe.
func TestUnsafeStaysInItsFiles(t *testing.T) {
	allowed := func(path string) bool {
		dir, name := filepath.Split(path)
		switch dir {
		case "cshim/", "ring/internal/layoutcheck/":
			return true
		case "ring/":
			return name == "layout.go" || strings.HasPrefix(name, "mem")
		}
		return false
	}
	found := false
	sources(t, func(path string) {
		for _, imported := range importsOf(t, path) {
			if imported != "unsafe" && imported != "C" {
				continue
			}
			found = true
			if !allowed(path) {
				t.Errorf("%s imports %q: that belongs in ring/layout.go, ring/mem.go or cshim", path, imported)
			}
		}
	})
	if !found {
		t.Error("no file imports unsafe: this test looks in the wrong place")
	}
}

func TestRedisClientStaysInPublish(t *testing.T) {
	found := false
	sources(t, func(path string) {
		for _, imported := range importsOf(t, path) {
			if !within(imported, "github.com/redis/rueidis") || strings.HasSuffix(path, "_test.go") {
				continue
			}
			found = true
			if !strings.HasPrefix(path, "core/publish/") {
				t.Errorf("%s imports %s: Redis is the business of core/publish", path, imported)
			}
		}
	})
	if !found {
		t.Error("no file imports rueidis: this test looks in the wrong place")
	}
}

// importsOf returns what a Go file imports; nothing for any other file.
func importsOf(t *testing.T, path string) []string {
	t.Helper()
	if filepath.Ext(path) != ".go" {
		return nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, imported)
	}
	return all
}

// within reports whether path is pkg or lies under it.
func within(path, pkg string) bool { return path == pkg || strings.HasPrefix(path, pkg+"/") }

func withinAny(path string, pkgs ...string) bool {
	return slices.ContainsFunc(pkgs, func(pkg string) bool { return within(path, pkg) })
}

// TestImportsPointOneWay: cmd → core → {hwaccel → cshim, ring}. Tests may import what they like.
func TestImportsPointOneWay(t *testing.T) {
	// What packages under the key may import of this module beside themselves.
	may := map[string][]string{
		"ring":    {},
		"cshim":   {},
		"hwaccel": {"cshim"},
		"core":    {"ring", "hwaccel", "cshim"},
		"cmd":     {"core", "ring", "hwaccel", "cshim"},
	}
	// Only what runs in a worker may reach C.
	worker := []string{module + "/core/worker", module + "/cmd/camring-worker"}
	checked := map[string]int{}
	for _, p := range list(t, "./...") {
		top, _, _ := strings.Cut(strings.TrimPrefix(p.ImportPath, module+"/"), "/")
		targets, ok := may[top]
		if !ok {
			continue // bench, internal: anything
		}
		checked[top]++
		for _, imported := range p.Imports {
			if !within(imported, module) {
				if first, _, _ := strings.Cut(imported, "/"); top == "ring" && strings.Contains(first, ".") &&
					!within(imported, "golang.org/x/sys") {
					t.Errorf("%s imports %s: ring does with the standard library and x/sys", p.ImportPath, imported)
				}
				continue
			}
			target, _, _ := strings.Cut(strings.TrimPrefix(imported, module+"/"), "/")
			if target == "internal" && top == "cmd" {
				continue // the demo's camera server
			}
			if target != top && !slices.Contains(targets, target) {
				t.Errorf("%s imports %s: %s may import %v of this module", p.ImportPath, imported, top, targets)
			}
			if withinAny(imported, module+"/cshim", module+"/hwaccel") && top != "hwaccel" && top != "cshim" &&
				!withinAny(p.ImportPath, worker...) {
				t.Errorf("%s imports %s: only %v may", p.ImportPath, imported, worker)
			}
		}
	}
	for _, top := range []string{"ring", "cshim", "core"} {
		if checked[top] == 0 {
			t.Errorf("no package under %s was checked", top)
		}
	}
}

// TestPureGoPrograms: camring and the ring build without a C compiler.
func TestPureGoPrograms(t *testing.T) {
	for _, pkg := range []string{"./cmd/camring", "./ring"} {
		if files, err := filepath.Glob(filepath.Join(pkg, "*.go")); err != nil || len(files) == 0 {
			t.Fatalf("%s has no Go files: %v", pkg, err)
		}
		for _, p := range list(t, "-deps", pkg) {
			if within(p.ImportPath, module) && len(p.CgoFiles) > 0 {
				t.Errorf("%s needs %s, which is cgo: %v", pkg, p.ImportPath, p.CgoFiles)
			}
		}
	}
}

// TestTestSupportStaysInTests: nothing that is shipped imports the testing package.
func TestTestSupportStaysInTests(t *testing.T) {
	for _, p := range list(t, "./cmd/...") {
		if slices.Contains(p.Deps, "testing") {
			t.Errorf("%s contains the testing package", p.ImportPath)
		}
	}
}
