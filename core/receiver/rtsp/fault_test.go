// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"camring/internal/testcam"
	"camring/internal/testcam/testclip"
	"camring/ring"
)

// login is a configuration with the canary.
func login(url string) Config {
	return Config{URL: url, Username: "viewer", Password: canary}
}

func TestFaultN01_ResetMidStreamIsAConnectionLost(t *testing.T) {
	cam := startHostile(t, answer(playing(func(p *peer) {
		p.send(packet{seq: 1, timestamp: 1, marker: true, payload: idr(1)})
		if err := p.Conn.(*net.TCPConn).SetLinger(0); err != nil {
			t.Error(err)
		}
		p.Close()
	})))
	_, _, err := receive(t, login(cam.url("/x")), testLimits, 2)
	wantReason(t, err, ring.ReasonConnectionLost)
}

func TestCameraThatStopsIsAConnectionLost(t *testing.T) {
	file := testclip.Make(t, testclip.Spec{Seconds: 1})
	cam := startCamera(t, testcam.Options{Clips: map[string]string{"front": file}})
	err := Run(t.Context(), Config{URL: cam.URL("front")}, func(StreamInfo) {}, func(*AccessUnit) error {
		go cam.Close()
		return nil
	})
	wantReason(t, err, ring.ReasonConnectionLost)
}

func TestFaultN02_SilenceWhilePlayingEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		units int
	}{{"after the first picture", 1}, {"from the start", 0}} {
		t.Run(c.name, func(t *testing.T) {
			cam := startHostile(t, answer(playing(func(p *peer) {
				for range c.units {
					p.send(packet{seq: 1, timestamp: 1, marker: true, payload: idr(1)})
				}
			})))
			units, info, err := receive(t, login(cam.url("/x")), hasty(), 2)
			wantReason(t, err, ring.ReasonNoPackets)
			if len(units) != c.units || info.Codec != ring.CodecH264 {
				t.Errorf("got %d units and %+v, want %d and that the session was announced", len(units), info, c.units)
			}
		})
	}
}

func TestFaultN03_SilentServerTimesOut(t *testing.T) {
	cam := startHostile(t, func(p *peer) { p.request(); p.request() })
	_, _, err := receive(t, login(cam.url("/x")), hasty(), 1)
	wantReason(t, err, ring.ReasonTimeout)
}

func TestFaultN04_DripDoesNotExtendTheDeadline(t *testing.T) {
	cam := startHostile(t, func(p *peer) {
		p.request()
		for _, b := range []byte("RTSP/1.0 200 OK\r\nX-Slow: " + strings.Repeat("x", 1000)) {
			if _, err := p.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond) // the drip is the fault, nothing waits for it
		}
	})
	_, _, err := receive(t, login(cam.url("/x")), hasty(), 1)
	wantReason(t, err, ring.ReasonTimeout)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want our own absolute deadline, not a timeout of the library", err)
	}
}

func TestFaultN05_EndlessHeadersAreRefused(t *testing.T) {
	for _, c := range []struct{ name, start, repeat string }{
		{"endless headers", "RTSP/1.0 200 OK\r\n", "X-Header: " + strings.Repeat("x", 100) + "\r\n"},
		{"an endless header", "RTSP/1.0 200 OK\r\nX-Header: ", strings.Repeat("x", 1000)},
		{"an endless status line", "RTSP/1.0 ", strings.Repeat("2", 1000)},
		{"noise", "", strings.Repeat("\x00\xff", 1000)},
		{"endless responses", "", "RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam := startHostile(t, func(p *peer) {
				p.request()
				out := []byte(c.start)
				for {
					if _, err := p.Write(out); err != nil {
						return
					}
					out = []byte(c.repeat)
				}
			})
			_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
			wantReason(t, err, ring.ReasonProtocol)
		})
	}
}

func TestFaultN06_LargeBodyIsRefusedBeforeItIsAllocated(t *testing.T) {
	for _, length := range []string{"2000000000", "131073", "-1", "18446744073709551616"} {
		t.Run(length, func(t *testing.T) {
			cam := startHostile(t, answer(map[string]func(*peer){"DESCRIBE": func(p *peer) {
				p.reply("200 OK", "", "Content-Type: application/sdp", "Content-Length: "+length)
				for {
					if _, err := p.Write(make([]byte, 4096)); err != nil {
						return
					}
				}
			}}))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
			runtime.ReadMemStats(&after)
			wantReason(t, err, ring.ReasonProtocol)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
				t.Errorf("allocated %d MiB", grown>>20)
			}
		})
	}
}

// challenge asks for a login until there are credentials.
func challenge(offers []string, then func(*peer)) func(*peer) {
	return func(p *peer) {
		requests, _ := p.server.seen()
		if !strings.Contains(requests[len(requests)-1], "Authorization:") {
			p.reply("401 Unauthorized", "", offers...)
			return
		}
		then(p)
	}
}

var digestOffer = []string{`WWW-Authenticate: Digest realm="cam", nonce="0123456789abcdef"`}

func TestFaultN08_CrossHostRedirectIsNotFollowed(t *testing.T) {
	victim := startHostile(t, answer(nil))
	redirect := func(p *peer) { p.reply("302 Found", "", "Location: "+victim.url("/stolen")) }
	for _, c := range []struct {
		name   string
		script map[string]func(*peer)
	}{
		{"at once", map[string]func(*peer){"DESCRIBE": redirect}},
		{"in the first answer", map[string]func(*peer){"OPTIONS": redirect}},
		{"after the login", map[string]func(*peer){"DESCRIBE": challenge(digestOffer, redirect)}},
		{"in SETUP", map[string]func(*peer){
			"DESCRIBE": challenge(digestOffer, func(p *peer) { p.reply("200 OK", h264SDP()) }), "SETUP": redirect,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam := startHostile(t, answer(c.script))
			_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
			wantReason(t, err, ring.ReasonRedirect)
		})
	}
	if requests, connections := victim.seen(); connections != 0 {
		t.Errorf("the other host got %d connections and %q", connections, requests)
	}
}

func TestFaultN09_RedirectsEndAfterThree(t *testing.T) {
	for _, c := range []struct {
		name string
		hops int
		want ring.Reason
	}{
		{"three are followed", 3, ring.ReasonNotFound},
		{"four are not", 4, ring.ReasonRedirect},
		{"a loop ends", 1000, ring.ReasonRedirect},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam := startHostile(t, answer(map[string]func(*peer){"DESCRIBE": func(p *peer) {
				if _, n := p.server.seen(); n <= c.hops {
					p.reply("301 Moved Permanently", "", "Location: /hop"+fmt.Sprint(n))
				} else {
					p.reply("404 Not Found", "")
				}
			}}))
			_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
			wantReason(t, err, c.want)
			if _, n := cam.seen(); n != 4 {
				t.Errorf("got %d connections, want 4", n)
			}
		})
	}
}

// certificate returns a new certificate for 127.0.0.1, and a pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func startSecure(t *testing.T, cert tls.Certificate, script func(*peer)) (*hostile, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveHostile(t, secure(l, cert), script), "rtsps://" + l.Addr().String() + "/x"
}

func TestFaultN10_DowngradeFromRTSPSIsRefused(t *testing.T) {
	cert, pool := certificate(t)
	lim := testLimits
	lim.roots = pool
	cam, url := startSecure(t, cert, answer(map[string]func(*peer){"DESCRIBE": func(p *peer) {
		p.reply("302 Found", "", "Location: "+p.server.url("/plain"))
	}}))
	_, _, err := receive(t, login(url), lim, 1)
	wantReason(t, err, ring.ReasonRedirect)
	if _, n := cam.seen(); n != 1 {
		t.Errorf("got %d connections, want 1", n)
	}
}

func TestVideoOverTLSArrives(t *testing.T) {
	cert, pool := certificate(t)
	lim := testLimits
	lim.roots = pool
	_, url := startSecure(t, cert, answer(playing(func(p *peer) {
		p.send(packet{seq: 1, timestamp: 1, marker: true, payload: idr(1)})
	})))
	units, _, err := receive(t, login(url), lim, 1)
	if !errors.Is(err, errEnough) || !units[0].Key {
		t.Fatalf("got %v, want a keyframe", err)
	}
}

func TestFaultN26_CertificateThatIsNotTrustedIsRefused(t *testing.T) {
	cert, _ := certificate(t)
	_, url := startSecure(t, cert, answer(nil))
	_, _, err := receive(t, login(url), testLimits, 1)
	wantReason(t, err, ring.ReasonTLS)
	plain := startHostile(t, answer(nil))
	_, _, err = receive(t, login("rtsps://"+plain.listener.Addr().String()+"/x"), hasty(), 1)
	var f *Failure
	if !errors.As(err, &f) || f.Reason != ring.ReasonTLS && f.Reason != ring.ReasonTimeout {
		t.Errorf("got %v from a camera without TLS", err)
	}
}

func TestFaultN11_ExpiredNonceIsRenewedOnce(t *testing.T) {
	stale := []string{`WWW-Authenticate: Digest realm="cam", nonce="fedcba9876543210", stale=true`}
	for _, c := range []struct {
		name      string
		staleTill int // number of connections on which credentials are called stale
		want      ring.Reason
	}{
		{"once", 1, ring.ReasonNotFound},
		{"for ever", 1000, ring.ReasonBadCredentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam := startHostile(t, answer(map[string]func(*peer){"DESCRIBE": challenge(digestOffer, func(p *peer) {
				if _, n := p.server.seen(); n <= c.staleTill {
					p.reply("401 Unauthorized", "", stale...)
				} else {
					p.reply("404 Not Found", "")
				}
			})}))
			_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
			wantReason(t, err, c.want)
			if got := cam.withCredentials(); got != 2 {
				t.Errorf("got %d requests with credentials, want 2", got)
			}
		})
	}
}

func TestFaultN12_RefusedLoginIsNotRepeated(t *testing.T) {
	for _, c := range []struct {
		name   string
		offers []string
	}{
		{"digest", digestOffer},
		{"digest before basic", append([]string{`WWW-Authenticate: Basic realm="cam"`}, digestOffer...)},
		{"basic alone", []string{`WWW-Authenticate: Basic realm="cam"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam := startHostile(t, answer(map[string]func(*peer){"DESCRIBE": func(p *peer) {
				p.reply("401 Unauthorized "+canary, "", c.offers...)
			}}))
			_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
			wantReason(t, err, ring.ReasonBadCredentials)
			if got := cam.withCredentials(); got != 1 {
				t.Errorf("got %d requests with credentials, want 1", got)
			}
			requests, _ := cam.seen()
			if basic := strings.Contains(strings.Join(requests, ""), "Authorization: Basic"); basic != (len(c.offers) == 1 && c.name == "basic alone") {
				t.Errorf("basic used: %v", basic)
			}
		})
	}
}

func TestFaultN13_StatusCodesHaveReasons(t *testing.T) {
	date := time.Now().Add(90 * time.Second).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	for _, c := range []struct {
		status  string
		headers []string
		want    ring.Reason
		low     time.Duration
		high    time.Duration
	}{
		{"403 Forbidden", nil, ring.ReasonPermission, 0, 0},
		{"404 Not Found", nil, ring.ReasonNotFound, 5 * time.Second, 5 * time.Second},
		{"454 Session Not Found", nil, ring.ReasonProtocol, 0, 0},
		{"461 Unsupported Transport", nil, ring.ReasonProtocol, 0, 0},
		{"500 Internal Server Error", nil, ring.ReasonProtocol, 0, 0},
		{"503 Service Unavailable", []string{"Retry-After: 42"}, ring.ReasonRefused, 42 * time.Second, 42 * time.Second},
		{"503 Service Unavailable", []string{"Retry-After: 999999"}, ring.ReasonRefused, maxRetryAfter, maxRetryAfter},
		{"503 Service Unavailable", []string{"Retry-After: " + date}, ring.ReasonRefused, time.Minute, 90 * time.Second},
		{"503 Service Unavailable", []string{"Retry-After: soon"}, ring.ReasonRefused, 0, 0},
	} {
		t.Run(c.status+strings.Join(c.headers, ""), func(t *testing.T) {
			cam := startHostile(t, answer(map[string]func(*peer){
				"DESCRIBE": func(p *peer) { p.reply(c.status+" "+canary, "", c.headers...) },
			}))
			cfg := login(cam.url("/x"))
			cfg.Transport = "tcp"
			_, _, err := receive(t, cfg, testLimits, 1)
			f := wantReason(t, err, c.want)
			if f.RetryAfter < c.low || f.RetryAfter > c.high {
				t.Errorf("got retry after %v, want %v to %v", f.RetryAfter, c.low, c.high)
			}
		})
	}
}

func TestFaultN14_UnusableDigestDoesNotFallBackToBasic(t *testing.T) {
	for _, offer := range []string{
		`Digest realm="cam", nonce="x", algorithm="ROT13"`,
		`Digest realm="cam"`,
		`Digest realm="` + strings.Repeat("x", 1900) + `"`,
	} {
		t.Run(offer[:min(len(offer), 40)], func(t *testing.T) {
			cam := startHostile(t, answer(map[string]func(*peer){"DESCRIBE": func(p *peer) {
				p.reply("401 Unauthorized", "", "WWW-Authenticate: "+offer, `WWW-Authenticate: Basic realm="cam"`)
			}}))
			_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
			wantReason(t, err, ring.ReasonProtocol)
			if got := cam.withCredentials(); got != 0 {
				t.Errorf("got %d requests with credentials, want none", got)
			}
		})
	}
}

func TestFaultN15_DescriptionsWithoutUsableVideo(t *testing.T) {
	const head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
	for _, c := range []struct {
		name, sdp string
		want      ring.Reason
		text      string
	}{
		{"audio only", head + "m=audio 0 RTP/AVP 0\r\n", ring.ReasonNoVideo, "no video"},
		{"no tracks", head, ring.ReasonNoVideo, "no video"},
		{"noise", strings.Repeat("\x00\xff garbage\r\n", 100), ring.ReasonProtocol, "not SDP"},
		{"broken after the version", "v=0\r\n\x00\xff\r\nm=video x\r\n", ring.ReasonProtocol, ""},
		{"5000 tracks", head + strings.Repeat("m=video 0 RTP/AVP 96\r\n", 5000), ring.ReasonProtocol, "5000 tracks"},
		{
			"unknown codec", head + "m=video 0 RTP/AVP 97\r\na=rtpmap:97 CINEPAK/90000\r\na=control:1\r\n",
			ring.ReasonCodec, "CINEPAK",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam := startHostile(t, answer(map[string]func(*peer){"DESCRIBE": func(p *peer) { p.reply("200 OK", c.sdp) }}))
			_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
			if f := wantReason(t, err, c.want); f.Hint == "" || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v (hint %q), want it to contain %q", err, f.Hint, c.text)
			}
		})
	}
}

func TestFaultN15_FirstVideoTrackIsPlayedAlone(t *testing.T) {
	script := playing(func(p *peer) { p.send(packet{seq: 1, timestamp: 1, marker: true, payload: idr(1)}) })
	sdp := strings.Replace(h264SDP(), "m=video",
		"m=audio 0 RTP/AVP 98\r\na=rtpmap:98 mpeg4-generic/nonsense\r\na=control:sound\r\nm=video", 1) +
		"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:second\r\n"
	script["DESCRIBE"] = func(p *peer) { p.reply("200 OK", sdp) }
	cam := startHostile(t, answer(script))
	_, info, err := receive(t, login(cam.url("/x")), testLimits, 1)
	if !errors.Is(err, errEnough) || info.Codec != ring.CodecH264 || info.Width != 64 || info.Height != 64 {
		t.Fatalf("got %v, %+v, want H.264 of 64x64", err, info)
	}
	requests, _ := cam.seen()
	var setups []string
	for _, r := range requests {
		if strings.HasPrefix(r, "SETUP") {
			setups = append(setups, strings.Fields(r)[1])
		}
	}
	if len(setups) != 1 || !strings.HasSuffix(setups[0], "/trackID=0") {
		t.Errorf("got SETUP of %q, want the first video track only", setups)
	}
}

func TestFaultN16_ForeignControlAddressesStayWithTheCamera(t *testing.T) {
	victim := startHostile(t, answer(nil))
	for _, c := range []struct {
		name   string
		change func(sdp string) (string, []string)
	}{
		{"Content-Base", func(sdp string) (string, []string) { return sdp, []string{"Content-Base: " + victim.url("/x/")} }},
		{"control of the session", func(sdp string) (string, []string) {
			return strings.Replace(sdp, "t=0 0\r\n", "t=0 0\r\na=control:"+victim.url("/x/")+"\r\n", 1), nil
		}},
		{"control of the track", func(sdp string) (string, []string) {
			return strings.Replace(sdp, "control:trackID", "control:"+victim.url("/x/trackID"), 1), nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := playing(func(p *peer) { p.send(packet{seq: 1, timestamp: 1, marker: true, payload: idr(1)}) })
			script["DESCRIBE"] = challenge(digestOffer, func(p *peer) {
				sdp, headers := c.change(h264SDP())
				p.reply("200 OK", sdp, headers...)
			})
			cam := startHostile(t, answer(script))
			_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
			if !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			requests, _ := cam.seen()
			for _, r := range requests {
				if strings.Contains(r, victim.listener.Addr().String()) {
					t.Errorf("a request names the other host:\n%s", r)
				}
			}
		})
	}
	if _, n := victim.seen(); n != 0 {
		t.Errorf("the other host got %d connections", n)
	}
}

func TestFaultN17_UDPIsUsedWhereTCPIsRefused(t *testing.T) {
	cam := startHostile(t, answer(map[string]func(*peer){
		"DESCRIBE": func(p *peer) { p.reply("200 OK", h264SDP()) },
		"SETUP":    func(p *peer) { p.reply("461 Unsupported Transport", "") },
	}))
	for _, c := range []struct {
		transport string
		want      []string
	}{
		{"auto", []string{"RTP/AVP/TCP", "RTP/AVP;"}},
		{"tcp", []string{"RTP/AVP/TCP"}},
		{"udp", []string{"RTP/AVP;"}},
	} {
		t.Run(c.transport, func(t *testing.T) {
			before, _ := cam.seen()
			cfg := login(cam.url("/x"))
			cfg.Transport = c.transport
			_, _, err := receive(t, cfg, testLimits, 1)
			wantReason(t, err, ring.ReasonProtocol)
			after, _ := cam.seen()
			var setups []string
			for _, r := range after[len(before):] {
				if strings.HasPrefix(r, "SETUP") {
					setups = append(setups, r)
				}
			}
			if len(setups) != len(c.want) {
				t.Fatalf("got %d SETUPs, want %d", len(setups), len(c.want))
			}
			for i, want := range c.want {
				if !strings.Contains(setups[i], want) {
					t.Errorf("SETUP %d: got\n%s\nwant %s", i, setups[i], want)
				}
			}
		})
	}
}

func TestFaultN24_ByeEndsTheSession(t *testing.T) {
	cam := startHostile(t, answer(playing(func(p *peer) {
		p.send(packet{seq: 1, timestamp: 1, marker: true, payload: idr(1)})
		bye := []byte{'$', 1, 0, 16, 0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 203, 0, 1, 0, 0, 0, 7} // RR, then BYE
		_, _ = p.Write(bye)
	})))
	_, _, err := receive(t, login(cam.url("/x")), testLimits, 2)
	wantReason(t, err, ring.ReasonConnectionLost)
}

func TestFaultN25_AddressesThatDoNotAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	for _, c := range []struct {
		name, url string
		want      []ring.Reason
	}{
		{"closed port", "rtsp://" + closed + "/x", []ring.Reason{ring.ReasonRefused}},
		{"unknown name", "rtsp://camera.invalid/x", []ring.Reason{ring.ReasonUnreachable, ring.ReasonTimeout}},
		{"no route", "rtsp://[2001:db8::1]/x", []ring.Reason{ring.ReasonUnreachable, ring.ReasonTimeout}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := receive(t, login(c.url), hasty(), 1)
			var f *Failure
			if !errors.As(err, &f) || f.Hint == "" || !reasonIn(f.Reason, c.want) {
				t.Errorf("got %v, want a failure with a hint and one of %v", err, c.want)
			}
		})
	}
}

func reasonIn(r ring.Reason, list []ring.Reason) bool {
	return slices.Contains(list, r)
}

func TestEchoedPasswordIsTakenOut(t *testing.T) {
	cam := startHostile(t, answer(map[string]func(*peer){"DESCRIBE": challenge(
		[]string{`WWW-Authenticate: Basic realm="cam"`},
		func(p *peer) { p.reply("200 OK", "", "Content-Type: text/"+canary) },
	)}))
	_, _, err := receive(t, login(cam.url("/x")), testLimits, 1)
	wantReason(t, err, ring.ReasonProtocol)
	if !strings.Contains(err.Error(), "text/***") {
		t.Errorf("got %q, want the camera's text without the password", err)
	}
}

func TestCancelWhileConnectingReturnsAtOnce(t *testing.T) {
	cam := startHostile(t, func(p *peer) { p.request(); p.request() })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := Run(ctx, Config{URL: cam.url("/x")}, func(StreamInfo) {}, func(*AccessUnit) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
}
