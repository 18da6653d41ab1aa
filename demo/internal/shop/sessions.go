package shop

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"chaosgo/demo/internal/latency"
)

// A log-in takes long, as the hash of a password does on purpose.
const (
	loginMedian = 200 * time.Millisecond
	loginP99    = 400 * time.Millisecond
)

// Login is the body of POST /api/v1/sessions.
type Login struct {
	UserID string `json:"user_id"`
}

// Session is the answer to a Login. Nothing is stored, so the token is good for nothing.
type Session struct {
	UserID string `json:"user_id"`
	Token  string `json:"token"`
}

// login answers POST /api/v1/sessions. Unlike a lookup, a log-in must not be sent twice: each one begins a session.
func login(shape *latency.Lognormal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked Login
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequestBytes)).Decode(&asked)
		if err == nil && asked.UserID == "" {
			err = errors.New("user_id is empty")
		}
		if err != nil {
			writeProblem(w, http.StatusBadRequest, "bad-request", err.Error()+`; the body looks like {"user_id":"42"}`)
			return
		}
		if shape.Wait(r.Context()) != nil {
			w.WriteHeader(statusClientGone)
			return
		}
		user, found := findUser(asked.UserID)
		if !found {
			writeNoUser(w, asked.UserID)
			return
		}
		writeJSON(w, http.StatusCreated, Session{UserID: user.ID, Token: rand.Text()})
	}
}
