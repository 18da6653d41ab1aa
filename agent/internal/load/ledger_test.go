package load

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// However results are spread over seconds, and in whatever order and grouping those are added up,
// the sum is the record in which all results were booked at once.
func TestSecondsAddUpToTheRecordOfAllTheirResults(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a, b, c := randomResults(random), randomResults(random), randomResults(random)
		all := booked(slices.Concat(a, b, c))
		left := sum(sum(booked(a), booked(b)), booked(c))
		right := sum(booked(c), sum(booked(b), booked(a)))
		if !reflect.DeepEqual(left, all) || !reflect.DeepEqual(right, all) {
			t.Fatalf("(a+b)+c is %+v\nc+(b+a) is %+v\nall at once %+v", left, right, all)
		}
	}
}

func sum(parts ...LoadSecond) LoadSecond {
	total := *newRecord(0)
	for i := range parts {
		add(&total, &parts[i])
	}
	return total
}

func booked(results []result) LoadSecond {
	record := *newRecord(0)
	record.Intended = uint64(len(results))
	for i := range results {
		book(&record, &results[i])
	}
	return record
}

// randomResults gives up to 50 results of all sorts.
func randomResults(random *rand.Rand) []result {
	results := make([]result, random.IntN(50))
	for i := range results {
		results[i] = result{
			status: []int{0, 200, 503}[random.IntN(3)], timeout: random.IntN(2) == 0,
			dropped: random.IntN(5) == 0, late: random.IntN(5) == 0,
			cause:  []string{"", "reset", "503"}[random.IntN(3)],
			judged: true, impact: random.IntN(3) == 0,
			latency:     time.Duration(random.Int64N(int64(2 * time.Second))),
			serviceTime: time.Duration(random.Int64N(int64(time.Second))),
		}
	}
	return results
}
