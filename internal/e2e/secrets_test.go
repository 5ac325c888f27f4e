// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"camring/core/status"
	"camring/internal/testcam"
	"camring/internal/testutil"
	"camring/ring"
)

// canary is a password whose middle must not appear anywhere.
type canary struct {
	where string // how the configuration gets it
	word  string // what is looked for: no encoding of a URL changes it
}

func (c canary) password() string { return "a/b?" + c.word + "%#d" }

// escaped is the password as it stands in a URL.
func (c canary) escaped() string { return "a%2Fb%3F" + c.word + "%25%23d" }

// needles are the forms in which a password can leak: as it is, and as Basic authentication sends it.
func needles(canaries []canary) (list []string) {
	for _, c := range canaries {
		list = append(list, c.word)
		for _, user := range []string{"admin", "default", ""} {
			list = append(list, base64.StdEncoding.EncodeToString([]byte(user+":"+c.password())))
		}
	}
	return list
}

// processTree lists a process and all that descend from it.
func processTree(t *testing.T, root int) (pids []int) {
	t.Helper()
	parents := map[int]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	for pid := range parents {
		for p := pid; p > 1; p = parents[p] {
			if p == root {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// get reads one page of the API.
func (tr *tree) get(path string) string {
	tr.t.Helper()
	resp, err := tr.web.Get("http://localhost" + path)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || len(body) == 0 {
		tr.t.Fatalf("%s: %d bytes, %v", path, len(body), err)
	}
	return string(body) + fmt.Sprint(resp.Header)
}

// everything collects what camring shows of itself, by place. The environment of the supervisor itself
// is left out: what is there, the user has put there.
func everything(t *testing.T, tr *tree, config string, env []string, cameras ...string) map[string]string {
	t.Helper()
	shown := map[string]string{"log": tr.log.String()}
	pages := []string{"/", "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/cameras", "/api/v1/openapi.json"}
	for _, name := range cameras {
		pages = append(pages, "/api/v1/cameras/"+name)
	}
	for _, page := range pages {
		shown[page] = tr.get(page)
	}
	for _, args := range [][]string{
		{"list"},
		{"list", "--json"},
		{"top", "--once"},
		{"validate", "-c", config},
		{"validate", "--json", "-c", config},
		{"tap", cameras[0], "--frames", "1"},
	} {
		cmd := exec.Command(filepath.Join(bin, "camring"), append([]string{"--ring-dir", tr.dir}, args...)...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil || len(out) == 0 {
			t.Fatalf("camring %v: %v\n%s", args, err, out)
		}
		shown[strings.Join(args, " ")] = string(out)
	}
	for _, name := range files(t, tr.dir) {
		if info, err := os.Stat(filepath.Join(tr.dir, name)); err == nil && info.Mode().IsRegular() {
			text, err := os.ReadFile(filepath.Join(tr.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			shown["file "+name] = string(text)
		}
	}
	for _, pid := range processTree(t, tr.cmd.Process.Pid) {
		for _, what := range []string{"cmdline", "environ", "comm"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, what))
			if err != nil {
				t.Fatal(err)
			}
			shown[fmt.Sprintf("process %d %s", pid, what)] = string(text)
		}
	}
	return shown
}

// echoing is a hostile camera: whatever it was sent, it repeats.
func echoing(r request) string {
	if r.authorization == "" {
		return "RTSP/1.0 401 Unauthorized\r\nCSeq: " + r.cseq + "\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n"
	}
	coded := strings.TrimPrefix(r.authorization, "Basic ")
	plain, _ := base64.StdEncoding.DecodeString(coded)
	body := "v=0 " + string(plain) + " " + coded
	return fmt.Sprintf("RTSP/1.0 400 %s\r\nCSeq: %s\r\nServer: %s\r\nContent-Length: %d\r\n\r\n%s", plain, r.cseq, coded, len(body), body)
}

func TestFaultP12_NoPasswordIsShownAnywhere(t *testing.T) {
	t.Parallel()
	list := []canary{
		{"url", "cAnaryUrL"}, {"key", "cAnaryKeY"}, {"variable", "cAnaryVaR"}, {"file", "cAnaryFiLe"},
	}
	redis := canary{"redis", "cAnaryReDiS"}
	rotated := canary{"redis, rotated", "cAnaryNeWReDiS"}
	clip := patternClip(t, 320, 180, 10, 20, 10)
	clips := map[string]string{"p": clip}
	var good []*testcam.Server
	for _, c := range append(list, canary{word: "another"}) { // the last one knows none of the passwords
		cam, err := testcam.Start(testcam.Options{Clips: clips, Username: "admin", Password: c.password()})
		if err != nil {
			t.Fatal(err)
		}
		defer cam.Close()
		good = append(good, cam)
	}
	wrong := good[len(list)]
	var echoed atomic.Int64
	hostile := startScripted(t, func(r request) string {
		if r.authorization != "" {
			echoed.Add(1)
		}
		return echoing(r)
	})
	redisAddr := closedPort(t)
	startRedis(t, redisAddr, `requirepass "`+redis.password()+`"`)

	secretFile := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secretFile, []byte(list[3].password()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var yaml strings.Builder
	camera := func(name string, c canary, address string) {
		switch c.where {
		case "url":
			fmt.Fprintf(&yaml, "  %s: %s\n", name, strings.Replace(address, "://", "://admin:"+c.escaped()+"@", 1))
		case "key":
			fmt.Fprintf(&yaml, "  %s: {url: %q, username: admin, password: %q}\n", name, address, c.password())
		case "variable":
			fmt.Fprintf(&yaml, "  %s: {url: %q, username: admin, password: \"${CANARY}\"}\n", name, address)
		case "file":
			fmt.Fprintf(&yaml, "  %s: {url: %q, username: admin, password_file: %q}\n", name, address, secretFile)
		}
	}
	dir := ringDir(t)
	fmt.Fprintf(&yaml, "log: {level: debug}\nhttp: {listen: off}\nring: {dir: %s}\nredis: redis://:%s@%s\ncameras:\n", dir, redis.escaped(), redisAddr)
	closed := closedPort(t)
	var names, bad []string
	for i, c := range list {
		names = append(names, "good-"+c.where)
		camera("good-"+c.where, c, good[i].URL("p"))
		for kind, address := range map[string]string{
			"wrong": wrong.URL("p"), "refused": "rtsp://" + closed + "/p", "echo": hostile.url(), "missing": good[i].URL("nothing"),
		} {
			bad = append(bad, kind+"-"+c.where)
			camera(kind+"-"+c.where, c, address)
		}
	}
	config := writeConfig(t, yaml.String())
	env := []string{"CANARY=" + list[2].password()}
	tr := startProcess(t, dir, config, func(cmd *exec.Cmd) { cmd.Env = append(os.Environ(), env...) })
	tr.until(25*time.Second, "the good cameras live, the others failed, records flow", func(s *status.Snapshot) bool {
		for _, name := range names {
			if find(s, name).State != ring.StateLive {
				return false
			}
		}
		for _, name := range bad {
			if find(s, name).Detail == "" {
				return false
			}
		}
		return s.Redis.Connected && s.Redis.Records > 20
	})
	search := func(when string) {
		t.Helper()
		for place, text := range everything(t, tr, config, env, append(names, bad...)...) {
			if place == fmt.Sprintf("process %d environ", tr.cmd.Process.Pid) {
				if !strings.Contains(text, list[2].word) {
					t.Errorf("%s is not where the variable is: the search finds nothing", place)
				}
				continue
			}
			for _, needle := range needles(append(list, redis, rotated)) {
				if i := strings.Index(text, needle); i >= 0 {
					t.Errorf("%s: %s shows %q: …%q…", when, place, needle, text[max(0, i-80):min(len(text), i+80)])
				}
			}
		}
	}
	search("while it runs")
	if n := len(processTree(t, tr.cmd.Process.Pid)); n < 4 { // supervisor, a receiver, three workers
		t.Errorf("only %d processes were searched", n)
	}
	if echoed.Load() == 0 || wrong.AuthAttempts() == 0 {
		t.Error("no camera was sent a password: the search proves nothing")
	}
	// Redis refuses the password from now on.
	redisCLI(t, redisAddr, redis.password(), "CONFIG", "SET", "requirepass", rotated.password())
	redisCLI(t, redisAddr, rotated.password(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	tr.until(15*time.Second, "the login to Redis fails", func(s *status.Snapshot) bool {
		return strings.Contains(s.Redis.Error, "WRONGPASS") || strings.Contains(s.Redis.Error, "NOAUTH")
	})
	search("while Redis refuses the password")
	if stream := redisCLI(t, redisAddr, rotated.password(), "XRANGE", "good-url_input_topic", "-", "+", "COUNT", "5"); !strings.Contains(stream, "seq") {
		t.Errorf("no records: %.200s", stream)
	} else if strings.Contains(stream, "cAnary") {
		t.Errorf("a record shows a password: %.400s", stream)
	}
}

func TestFaultP12_PrivateRedisInheritsNoPassword(t *testing.T) {
	t.Parallel()
	c := canary{word: "cAnaryVaR"}
	// A redis-server overwrites its environment in /proc, so it is caught before it begins.
	wrapper, got := t.TempDir(), filepath.Join(t.TempDir(), "environment")
	script := fmt.Sprintf("#!/bin/sh\nenv >%s\nexec %s \"$@\"\n", got, testutil.Need(t, "redis-server"))
	if err := os.WriteFile(filepath.Join(wrapper, "redis-server"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	dir := ringDir(t)
	config := writeConfig(t, fmt.Sprintf("http: {listen: off}\nring: {dir: %s}\ncameras:\n  test: {url: 'test:pattern?size=320x180&fps=10'}\n", dir))
	tr := startProcess(t, dir, config, func(cmd *exec.Cmd) {
		cmd.Env = append(os.Environ(), "OTHER_PASSWORD="+c.password(), "PATH="+wrapper+":"+os.Getenv("PATH"))
	})
	s := tr.until(15*time.Second, "records flow", func(s *status.Snapshot) bool { return s.Redis.Connected && s.Redis.Records > 0 })
	tree := processTree(t, tr.cmd.Process.Pid)
	if !slices.Contains(tree, pid(t, s, "redis", "")) {
		t.Errorf("the private Redis is not among %v", tree)
	}
	environment, err := os.ReadFile(got)
	if err != nil || !bytes.Contains(environment, []byte("PATH=")) || bytes.Contains(environment, []byte(c.word)) {
		t.Errorf("the private Redis was given this environment: %s (%v)", environment, err)
	}
	for place, text := range everything(t, tr, config, nil, "test") {
		if strings.Contains(text, c.word) && place != fmt.Sprintf("process %d environ", tr.cmd.Process.Pid) {
			t.Errorf("%s shows the password", place)
		}
	}
}

func TestFaultP12_MistakesNextToPasswordsDoNotShowThem(t *testing.T) {
	t.Parallel()
	c := canary{word: "cAnaryWrOnG"}
	for name, yaml := range map[string]string{
		"an unescaped password":      "cameras:\n  a: 'rtsp://admin:" + c.password() + "@host/p'\n",
		"a slash in a password":      "cameras:\n  a: 'rtsp://admin:12/" + c.word + "@host/p'\n",
		"a bad port":                 "cameras:\n  a: rtsp://admin:" + c.escaped() + "@host:99999/p\n",
		"a password that is a list":  "cameras:\n  a: {url: rtsp://h/p, username: u, password: [" + c.word + "]}\n",
		"a password without a user":  "cameras:\n  a: {url: rtsp://h/p, password: " + c.word + "}\n",
		"two passwords":              "cameras:\n  a: {url: 'rtsp://u:" + c.escaped() + "@h/p', password: " + c.word + "2}\n",
		"a refused scheme":           "cameras:\n  a: ftp://admin:" + c.escaped() + "@host/p\n",
		"a later scheme":             "cameras:\n  a: http://admin:" + c.escaped() + "@host/p\n",
		"a Redis URL":                "redis: redis://:" + c.password() + "@host\ncameras:\n  a: test:pattern\n",
		"a Redis scheme":             "redis: http://:" + c.escaped() + "@host\ncameras:\n  a: test:pattern\n",
		"YAML broken behind it":      "cameras:\n  a: rtsp://admin:" + c.escaped() + "@host/p\n   b: [\n",
		"YAML broken on its line":    "cameras:\n  a: {url: rtsp://h/p, username: u, password: " + c.word + "\n",
		"a variable that is not set": "cameras:\n  a: rtsp://admin:" + c.escaped() + "@${NO_SUCH_HOST}/p\n",
		"an unknown key":             "cameras:\n  a: {url: rtsp://h/p, username: u, pasword: " + c.word + "}\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "camring.yaml")
			if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"validate", "run"} {
				out, errs, code := camring(t, 10*time.Second, command, "-c", file)
				if code != 78 {
					t.Errorf("%s: exit %d, want 78: %s", command, code, errs)
				}
				if bytes.Contains([]byte(out+errs), []byte(c.word)) {
					t.Errorf("%s shows the password: %s", command, errs)
				}
			}
		})
	}
}
