// SPDX-License-Identifier: MIT
// The same with goroutines: yield, spawn, batch, channel, idle; "echo" is a server that prints its
// port. To be run with GOMAXPROCS=1.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const batch = 1000

var sink int64

func processorTime() int64 {
	const ofProcess = 2
	var now syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, ofProcess, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

func yieldPair(count int) {
	over, done := false, make(chan bool)
	go func() {
		for !over {
			runtime.Gosched()
		}
		close(done)
	}()
	for ; count > 0; count-- {
		runtime.Gosched()
	}
	over = true
	<-done
}

func spawnJoin(count int) {
	var group sync.WaitGroup
	for ; count > 0; count-- {
		group.Add(1)
		go func() {
			sink++
			group.Done()
		}()
		group.Wait()
	}
}

func spawnBatch(count int) {
	var group sync.WaitGroup
	for ; count > 0; count -= batch {
		group.Add(batch)
		for i := 0; i < batch; i++ {
			go func() {
				sink++
				group.Done()
			}()
		}
		group.Wait()
	}
}

func channel(count int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for item := range there {
			back <- item
		}
	}()
	for i := 0; i < count; i++ {
		there <- i
		<-back
	}
	close(there)
}

// Resident and of page tables, in bytes.
func memory() (bytes int) {
	for path, key := range map[string]string{"smaps_rollup": "Rss:", "status": "VmPTE:"} {
		file, _ := os.Open("/proc/self/" + path)
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			if words := strings.Fields(lines.Text()); words[0] == key {
				kilobytes, _ := strconv.Atoi(words[1])
				bytes += 1024 * kilobytes
			}
		}
		file.Close()
	}
	return
}

func mappings() int {
	maps, _ := os.ReadFile("/proc/self/maps")
	return strings.Count(string(maps), "\n")
}

func idle(count int) {
	never := make(chan bool)
	bytes, before, start := memory(), mappings(), processorTime()
	for i := 0; i < count; i++ {
		go func() { <-never }()
	}
	runtime.Gosched()
	each := float64(processorTime()-start) / float64(count)
	fmt.Printf("%.1f %d %.1f\n", float64(memory()-bytes)/float64(count), mappings()-before, each)
}

func echo() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			buffer := make([]byte, 4096)
			for {
				n, err := conn.Read(buffer)
				if err != nil {
					break
				}
				conn.Write(buffer[:n])
			}
			conn.Close()
		}()
	}
}

func measure(bench func(int), count, rounds int) {
	bench(count/10 + 1)
	for ; rounds > 0; rounds-- {
		wall, cpu := time.Now(), processorTime()
		bench(count)
		cpu = processorTime() - cpu
		fmt.Printf("%.3f %.3f\n", float64(cpu)/float64(count),
			float64(time.Since(wall).Nanoseconds())/float64(count))
	}
}

func main() {
	if os.Args[1] == "echo" {
		echo()
		return
	}
	count, _ := strconv.Atoi(os.Args[2])
	if os.Args[1] == "idle" {
		idle(count)
		return
	}
	rounds, _ := strconv.Atoi(os.Args[3])
	benches := map[string]func(int){
		"yield": yieldPair, "spawn": spawnJoin, "batch": spawnBatch, "channel": channel,
	}
	measure(benches[os.Args[1]], count, rounds)
}
