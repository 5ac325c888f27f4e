// SPDX-License-Identifier: Apache-2.0

package testcam

import (
	"log/slog"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
)

// handler answers the requests of clients. The library calls it from many goroutines.
type handler struct {
	server *Server
}

// loggedIn marks a connection that has shown the right credentials.
type loggedIn struct{}

// OnConnOpen counts connections.
func (h *handler) OnConnOpen(*gortsplib.ServerHandlerOnConnOpenCtx) {
	h.server.connections.Add(1)
}

// admit returns nil if the client may go on, and else the response to send.
func (h *handler) admit(conn *gortsplib.ServerConn, req *base.Request) (*base.Response, error) {
	opt := h.server.opt
	if opt.Username == "" || conn.UserData() != nil {
		return nil, nil
	}
	if len(req.Header["Authorization"]) > 0 {
		h.server.logins.Add(1)
	}
	if conn.VerifyCredentials(req, opt.Username, opt.Password) {
		conn.SetUserData(loggedIn{})
		return nil, nil
	}
	return &base.Response{StatusCode: base.StatusUnauthorized}, liberrors.ErrServerAuth{}
}

// OnDescribe answers with the description of the path.
func (h *handler) OnDescribe(
	ctx *gortsplib.ServerHandlerOnDescribeCtx,
) (*base.Response, *gortsplib.ServerStream, error) {
	if res, err := h.admit(ctx.Conn, ctx.Request); res != nil {
		return res, nil, err
	}
	t := h.server.lookup(ctx.Path)
	if t == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, t.stream, nil
}

// OnSetup gives the session its stream: that of the path, or one of its own.
func (h *handler) OnSetup(
	ctx *gortsplib.ServerHandlerOnSetupCtx,
) (*base.Response, *gortsplib.ServerStream, error) {
	if res, err := h.admit(ctx.Conn, ctx.Request); res != nil {
		return res, nil, err
	}
	t := h.server.lookup(ctx.Path)
	switch {
	case t == nil:
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	case !h.server.opt.PerClient:
		return &base.Response{StatusCode: base.StatusOK}, t.stream, nil
	}
	p, ok := ctx.Session.UserData().(*player)
	if !ok {
		p = &player{
			server: h.server, clip: t.clip, own: true, ended: make(chan struct{}),
			stream: &gortsplib.ServerStream{Server: h.server.rtsp, Desc: t.clip.describe()},
		}
		if err := p.stream.Initialize(); err != nil {
			return &base.Response{StatusCode: base.StatusInternalServerError}, nil, err
		}
		ctx.Session.SetUserData(p)
	}
	return &base.Response{StatusCode: base.StatusOK}, p.stream, nil
}

// OnPlay counts sessions; sending begins in OnResponse.
func (h *handler) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	if res, err := h.admit(ctx.Conn, ctx.Request); res != nil {
		return res, err
	}
	h.server.sessions.Add(1)
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnResponse starts the player of a session that has just begun to play. In OnPlay the session does
// not receive packets yet, and the first ones would be lost.
func (h *handler) OnResponse(conn *gortsplib.ServerConn, _ *base.Response) {
	session := conn.Session()
	if session == nil || session.State() != gortsplib.ServerSessionStatePlay {
		return
	}
	if p, ok := session.UserData().(*player); ok {
		p.start.Do(func() { h.server.play(p) })
	}
}

// OnSessionClose stops the player of the session.
func (h *handler) OnSessionClose(ctx *gortsplib.ServerHandlerOnSessionCloseCtx) {
	if p, ok := ctx.Session.UserData().(*player); ok {
		close(p.ended)
		p.stream.Close()
	}
}

// OnStreamWriteError ends a session that cannot keep up: a camera that skips packets in silence
// would make a test that misses pictures hard to explain.
func (h *handler) OnStreamWriteError(ctx *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	h.server.log.Warn("client is too slow", slog.Any("err", ctx.Error))
	ctx.Session.Close()
}

// OnPacketsLost and OnDecodeError concern what clients send: receiver reports.
func (h *handler) OnPacketsLost(*gortsplib.ServerHandlerOnPacketsLostCtx) {}

// OnDecodeError is like [handler.OnPacketsLost].
func (h *handler) OnDecodeError(*gortsplib.ServerHandlerOnDecodeErrorCtx) {}
