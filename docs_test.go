// SPDX-License-Identifier: Apache-2.0

package camring_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"camring/ring"
)

// document is one page for people.
type document struct {
	path, text string
	spans      []string          // code in the text
	blocks     map[string]string // fenced code by language, that of one language joined
}

var (
	fence    = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	codeSpan = regexp.MustCompile("`([^`]+)`")
)

// documents returns every Markdown file.
func documents(t *testing.T) []document {
	t.Helper()
	var all []document
	sources(t, func(path string) {
		if filepath.Ext(path) != ".md" {
			return
		}
		d := document{path: path, text: read(t, path), blocks: map[string]string{}}
		for _, m := range fence.FindAllStringSubmatch(d.text, -1) {
			d.blocks[m[1]] += m[2]
		}
		for _, m := range codeSpan.FindAllStringSubmatch(fence.ReplaceAllString(d.text, ""), -1) {
			d.spans = append(d.spans, strings.Join(strings.Fields(m[1]), " "))
		}
		all = append(all, d)
	})
	if len(all) < 5 {
		t.Fatalf("found %d documents: this test looks in the wrong place", len(all))
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// commands are the lines of a document that somebody may type.
func (d *document) commands() []string {
	return append(strings.Split(d.blocks["sh"], "\n"), d.spans...)
}

func TestDocumentsNameTargetsThatExist(t *testing.T) {
	makefile := read(t, "Makefile")
	mention := regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	found := 0
	for _, d := range documents(t) {
		for _, line := range d.commands() {
			for _, m := range mention.FindAllStringSubmatch(line, -1) {
				found++
				if !strings.Contains(makefile, "\n.PHONY: "+m[1]+"\n") {
					t.Errorf("%s: make %s: there is no such target", d.path, m[1])
				}
			}
		}
	}
	if found == 0 {
		t.Error("no document names a target: this test looks for the wrong thing")
	}
}

func TestDocumentsNameCommandsAndFlagsThatExist(t *testing.T) {
	program := filepath.Join(t.TempDir(), "camring")
	build := exec.Command("go", "build", "-o", program, "./cmd/camring")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build camring: %v\n%s", err, out)
	}
	helps := map[string]string{}
	help := func(command string) string {
		if _, known := helps[command]; !known {
			out, _ := exec.Command(program, command, "--help").CombinedOutput() // one that fails says no usage
			helps[command] = string(out)
		}
		return helps[command]
	}
	mention := regexp.MustCompile(`^(?:bin/)?camring ([a-z]+)([^|>&#]*)`)
	flag := regexp.MustCompile(`(?:^| )(--?[a-z][a-z0-9-]*)`)
	found := 0
	for _, d := range documents(t) {
		for _, line := range d.commands() {
			for _, m := range mention.FindAllStringSubmatch(line, -1) {
				found++
				if !strings.Contains(help(m[1]), "\n  camring "+m[1]) {
					t.Errorf("%s: %q: camring has no command %s", d.path, line, m[1])
					continue
				}
				for _, f := range flag.FindAllStringSubmatch(m[2], -1) {
					if !regexp.MustCompile(`(?m)^ +(-[a-z], )?` + f[1] + `\b`).MatchString(help(m[1])) {
						t.Errorf("%s: %q: camring %s has no flag %s", d.path, line, m[1], f[1])
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no document names a command: this test looks for the wrong thing")
	}
}

func TestDocumentsShowTheExamples(t *testing.T) {
	shown := map[string]int{}
	for _, d := range documents(t) {
		for language, source := range map[string]string{
			"go": "ring/example_test.go", "python": "clients/python/examples/brightness.py",
		} {
			block := d.blocks[language]
			if block == "" {
				continue
			}
			shown[language]++
			if !strings.Contains(read(t, source), block) {
				t.Errorf("%s: its %s code is not that of %s", d.path, language, source)
			}
		}
	}
	if len(shown) != 2 {
		t.Errorf("code is shown in %v, want go and python", shown)
	}
}

func TestDocumentsLinkToFilesThatExist(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	place := regexp.MustCompile(`^(bench|clients|cmd|core|cshim|docs|internal|ring|scripts)/[A-Za-z0-9_./-]+$`)
	for _, d := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(d.text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(d.path), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", d.path, m[1], err)
			}
		}
		for _, span := range d.spans {
			if !place.MatchString(span) {
				continue
			}
			if _, err := os.Stat(filepath.FromSlash(span)); err != nil {
				t.Errorf("%s names %s: %v", d.path, span, err)
			}
		}
	}
}

// TestDocumentsNameSymbolsThatExist is about code like `ring.OpenFrames`.
func TestDocumentsNameSymbolsThatExist(t *testing.T) {
	symbols := map[string]map[string]bool{} // exported names by package name
	sources(t, func(path string) {
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		names := symbols[file.Name.Name]
		if names == nil {
			names = map[string]bool{}
			symbols[file.Name.Name] = names
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				names[decl.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						names[spec.Name.Name] = true
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							names[name.Name] = true
						}
					}
				}
			}
		}
	})
	mention := regexp.MustCompile(`\b([a-z]+)\.([A-Z][A-Za-z0-9]*)`)
	found := 0
	for _, d := range documents(t) {
		for _, span := range d.spans {
			for _, m := range mention.FindAllStringSubmatch(span, -1) {
				if names, ours := symbols[m[1]]; ours {
					found++
					if !names[m[2]] {
						t.Errorf("%s names %s: package %s has no %s", d.path, m[0], m[1], m[2])
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no document names a symbol: this test looks for the wrong thing")
	}
}

// TestOperationsListsWhatThereIs: every state, reason, metric and route, and no other.
func TestOperationsListsWhatThereIs(t *testing.T) {
	page := read(t, "docs/operations.md")
	rows := func(heading string) []string {
		_, rest, ok := strings.Cut(page, "\n## "+heading+"\n")
		if !ok {
			t.Fatalf("docs/operations.md has no section %s", heading)
		}
		section, _, _ := strings.Cut(rest, "\n## ")
		var all []string
		for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1) {
			all = append(all, m[1])
		}
		return all
	}
	compare := func(what string, got, want []string) {
		slices.Sort(got)
		slices.Sort(want)
		if len(want) == 0 {
			t.Fatalf("no %s in the code: this test looks in the wrong place", what)
		}
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("docs/operations.md lacks %s %s", what, name)
			}
		}
		for _, name := range got {
			if !slices.Contains(want, name) {
				t.Errorf("docs/operations.md has %s %s, and the code has not", what, name)
			}
		}
	}
	var states, reasons []string
	for s := ring.State(0); !strings.Contains(s.String(), "("); s++ {
		states = append(states, s.String())
	}
	for r := ring.ReasonNone + 1; !strings.Contains(r.String(), "("); r++ {
		reasons = append(reasons, r.String())
	}
	matches := func(path, pattern, prefix string) (all []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1) {
			all = append(all, prefix+m[1])
		}
		return all
	}
	compare("state", rows("States"), states)
	compare("reason", rows("Reasons"), reasons)
	compare("metric", rows("Metrics"), matches("core/api/metrics.go", `= (?:counter|gauge)\("([a-z0-9_]+)"`, "camring_"))
	routes := slices.DeleteFunc(matches("core/api/api.go", `mux\.Handle(?:Func)?\("([^"]+)"`, ""), func(r string) bool { return r == "/" })
	for i := range routes {
		routes[i] = strings.TrimSuffix(routes[i], "{$}")
	}
	compare("route", rows("HTTP"), routes)
}
