// SPDX-License-Identifier: Apache-2.0

package rtsp

import "net"

// listenPacket opens a UDP socket with as large a receive buffer as the kernel grants. The library's
// own option refuses to work where the kernel grants less than asked for.
func listenPacket(network, address string) (net.PacketConn, error) {
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	if udp, ok := conn.(*net.UDPConn); ok {
		_ = udp.SetReadBuffer(udpReadBuffer) // the default is worse, but works
	}
	return conn, nil
}
