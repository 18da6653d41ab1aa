package shop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	approve = "approve"
	reject  = "reject"

	reasonOK              = "ok"
	reasonOverLimit       = "amount-over-limit"
	reasonRiskUnavailable = "risk-unavailable"

	maxRequestBytes = 64 << 10

	// statusClientGone is nginx's code for a client that closed its connection. It appears only in the metrics.
	statusClientGone = 499
)

// User is the answer of GET /api/v1/users/{id}.
type User struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Country string `json:"country"`
}

// Check implements upstream.Answer.
func (u User) Check() error {
	if u.ID == "" {
		return errors.New("user without an id")
	}
	return nil
}

// Order is the body of POST /checkout.
type Order struct {
	UserID string  `json:"user_id"`
	Amount float64 `json:"amount"`
}

// Check returns an error if the order is invalid.
func (o Order) Check() error {
	if o.UserID == "" {
		return errors.New(`user_id is empty; give one such as "42"`)
	}
	if o.Amount <= 0 {
		return fmt.Errorf("amount %g is not above 0; give one such as 19.90", o.Amount)
	}
	return nil
}

// Decision is the answer of POST /checkout. It is also the answer of the risk service, which adds its operation.
type Decision struct {
	Operation string `json:"operation,omitempty"`
	Decision  string `json:"decision"`
	Reason    string `json:"reason"`
}

// Check implements upstream.Answer.
func (d Decision) Check() error {
	if d.Decision != approve && d.Decision != reject {
		return fmt.Errorf("decision %q is neither %q nor %q", d.Decision, approve, reject)
	}
	return nil
}

// problem is the body of every answer that is an error.
type problem struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The only possible error is a client that closed its connection during the answer.
	_ = json.NewEncoder(w).Encode(body)
}

func writeProblem(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, problem{Error: code, Message: message})
}

// readOrder decodes the body. If that fails, it answers 400 and returns false.
func readOrder(w http.ResponseWriter, r *http.Request) (Order, bool) {
	var order Order
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&order)
	if errors.Is(err, io.EOF) {
		err = errors.New("the body is empty")
	}
	if err == nil {
		err = order.Check()
	}
	if err != nil {
		message := strings.TrimPrefix(err.Error(), "json: ")
		writeProblem(w, http.StatusBadRequest, "bad-request", message+`; the body looks like {"user_id":"42","amount":19.9}`)
		return Order{}, false
	}
	return order, true
}
