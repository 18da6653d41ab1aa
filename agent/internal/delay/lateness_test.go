package delay

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkLateness measures how late holds end: alone, and beside connections that keep the
// processors of the runtime busy. `go test -bench Lateness -run '^$' -benchtime 4000x`
func BenchmarkLateness(b *testing.B) {
	for _, busy := range []int{0, 32} {
		b.Run(map[bool]string{false: "idle", true: "busy"}[busy > 0], func(b *testing.B) {
			timer, err := New()
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(timer.Close)
			for range busy {
				keepBusy(b)
			}
			const holders, hold = 40, 20 * time.Millisecond
			late := make([][]time.Duration, holders)
			b.ResetTimer()
			var all sync.WaitGroup
			for i := range late {
				all.Go(func() {
					time.Sleep(hold * time.Duration(i) / holders)
					for range b.N/holders + 1 {
						until := time.Now().Add(hold)
						timer.Until(until, nil, nil)
						late[i] = append(late[i], time.Since(until))
					}
				})
			}
			all.Wait()
			sorted := slices.Concat(late...)
			slices.Sort(sorted)
			for name, quantile := range map[string]float64{"P50-us": 0.5, "P90-us": 0.9, "P99-us": 0.99} {
				b.ReportMetric(float64(sorted[int(quantile*float64(len(sorted)))].Microseconds()), name)
			}
		})
	}
}

// keepBusy sends a byte to and fro until the benchmark ends.
func keepBusy(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // it has served
	one, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	other, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { one.Close(); other.Close() })
	echo := func(c net.Conn) { io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 1)) }
	go echo(one)
	go echo(other)
	one.Write([]byte{0})
}
