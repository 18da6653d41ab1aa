package histogram

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"testing"
)

func TestContract(t *testing.T) {
	raw, err := os.ReadFile("../../../contract/histogram.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		ValueUS int64 `json:"value_us"`
		Index   int   `json:"index"`
		LowUS   int64 `json:"low_us"`
		HighUS  int64 `json:"high_us"`
	}
	if err := json.Unmarshal(raw, &rows); err != nil || len(rows) < 20 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for _, row := range rows {
		low, high := Bounds(row.Index)
		if Index(row.ValueUS) != row.Index || low != row.LowUS || high != row.HighUS {
			t.Errorf("%d us: index %d, bounds of %d: %d to %d; the contract says %+v",
				row.ValueUS, Index(row.ValueUS), row.Index, low, high, row)
		}
	}
}

func TestEveryValueIsInItsBucketAndBucketsAreNarrow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		v := random.Int64N(Largest+1) >> random.IntN(40)
		low, high := Bounds(Index(v))
		if v < low || v > high || Index(low) != Index(v) || Index(high) != Index(v) {
			t.Fatalf("%d is not in its bucket %d to %d", v, low, high)
		}
		if float64(high-low) >= 0.008*float64(low) && low >= exact {
			t.Fatalf("the bucket %d to %d is too wide", low, high)
		}
	}
}

func TestBucketsFollowEachOther(t *testing.T) {
	next := int64(0)
	for index := 0; next <= Largest; index++ {
		low, high := Bounds(index)
		if low != next {
			t.Fatalf("bucket %d begins at %d, the one before ended before %d", index, low, next)
		}
		next = high + 1
	}
}

func TestOutOfRangeGoesToTheNearest(t *testing.T) {
	if Index(-5) != Index(0) || Index(1<<50) != Index(Largest) {
		t.Error("a value out of range has a bucket of its own")
	}
}
